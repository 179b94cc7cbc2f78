//! Commands that run to their end.

use std::{
    io::Read,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::interrupt::Interrupt;

/// What an interrupted command may take to end by itself.
const GRACE: Duration = Duration::from_secs(10);
/// How often a running command is looked at.
const TICK: Duration = Duration::from_millis(50);

/// Runs a command whose output the person sees.
///
/// # Errors
/// When it cannot be started, fails, or is interrupted; then it was ended.
pub fn run(command: &mut Command, interrupt: &Interrupt) -> Result<()> {
    let child = spawn(command)?;
    check(command, wait(child, interrupt)?)
}

/// Runs a command whose errors the person sees and whose output is returned.
///
/// # Errors
/// As [`run`].
pub fn run_reading(command: &mut Command, interrupt: &Interrupt) -> Result<String> {
    let mut child = spawn(command.stdout(Stdio::piped()))?;
    let mut output = child.stdout.take().ok_or_else(|| anyhow!("no output to read"))?;
    let reader = thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let status = wait(child, interrupt)?;
    let text = reader.join().map_err(|_| anyhow!("the reader of a command's output failed"))?;
    check(command, status)?;
    Ok(text?)
}

/// Runs a short command that nobody sees; its output. A failure carries what it said.
///
/// # Errors
/// When it cannot be started, or fails.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| cannot_start(command))?;
    ensure!(
        output.status.success(),
        "{} failed ({}): {}{}",
        name(command),
        output.status,
        String::from_utf8_lossy(&output.stdout).trim(),
        String::from_utf8_lossy(&output.stderr).trim(),
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn spawn(command: &mut Command) -> Result<Child> {
    // In a process group of its own, Ctrl-C does not reach it before we decide what to do.
    command.stdin(Stdio::null()).process_group(0).spawn().with_context(|| cannot_start(command))
}

fn wait(mut child: Child, interrupt: &Interrupt) -> Result<ExitStatus> {
    let mut interrupted_at = None;
    loop {
        if let Some(status) = child.try_wait()? {
            interrupt.check()?;
            return Ok(status);
        }
        match interrupted_at {
            None if interrupt.is_raised() => {
                signal_group(&child, Signal::TERM);
                interrupted_at = Some(Instant::now());
            }
            Some(at) if Instant::now().duration_since(at) > GRACE => signal_group(&child, Signal::KILL),
            _ => {}
        }
        thread::sleep(TICK);
    }
}

fn signal_group(child: &Child, signal: Signal) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // Gone already is as good as gone now.
        let _ = kill_process_group(group, signal);
    }
}

fn check(command: &Command, status: ExitStatus) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    bail!("{} failed ({status})", name(command))
}

fn name(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let text: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let text = text.join(" ");
    if text.chars().count() > 120 {
        format!("{}…", text.chars().take(120).collect::<String>())
    } else {
        text
    }
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start {}", command.get_program().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_failure_are_told() {
        let never = Interrupt::never();
        let text = run_reading(Command::new("echo").arg("hello"), &never).unwrap();
        assert_eq!(text, "hello\n");
        let error = capture(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("why"), "{error}");
        assert!(run(&mut Command::new("false"), &never).is_err());
        let error = run(&mut Command::new("no-such-program"), &never).unwrap_err();
        assert_eq!(error.to_string(), "cannot start no-such-program");
    }
}
