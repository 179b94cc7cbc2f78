//! The tables.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use super::{Played, Report};
use crate::measure::{Fact, Goal, Latency, Outcome, Pair, Sample, median};

/// What is less is as good as nothing, in microseconds for each operation.
const LEAST_COST: f64 = 0.05;
/// A generator has one thread; one that uses as much of a core limits what it measures.
const SATURATED: f64 = 0.95;

/// A number as people read it: three digits that matter.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) =
        text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    rest.map_or_else(|| format!("{sign}{grouped}"), |rest| format!("{sign}{grouped}.{rest}"))
}

fn medians(outcome: &Outcome, figure: impl Fn(&Pair) -> f64) -> String {
    number(median(&outcome.pairs.iter().map(figure).collect::<Vec<_>>()))
}

/// The latencies of our side: of each percentile the median.
fn latency(outcome: &Outcome) -> Option<Latency> {
    let all: Vec<Latency> = outcome.ours().filter_map(|sample| sample.latency).collect();
    let of = |part: fn(&Latency) -> f64| median(&all.iter().map(part).collect::<Vec<_>>());
    (!all.is_empty()).then(|| Latency {
        p50_ms: of(|latency| latency.p50_ms),
        p99_ms: of(|latency| latency.p99_ms),
        p999_ms: of(|latency| latency.p999_ms),
        most_ms: of(|latency| latency.most_ms),
        count: all.iter().map(|latency| latency.count).sum(),
    })
}

fn percentiles(latency: Option<Latency>) -> String {
    latency.map_or_else(String::new, |latency| {
        format!("{} / {} / {}", number(latency.p50_ms), number(latency.p99_ms), number(latency.p999_ms))
    })
}

fn goal(outcome: &Outcome) -> String {
    let text = match outcome.goal {
        Some(Goal::Ratio(least)) => format!("≥ {least:.2}"),
        Some(Goal::P99Ms(most)) => format!("p99 ≤ {most:.0} ms"),
        None => return "–".to_owned(),
    };
    match outcome.reached() {
        Some(true) => format!("{text} ✓"),
        Some(false) => format!("{text} ✗"),
        None => text,
    }
}

/// One line for each scenario.
pub fn table<'o>(outcomes: impl IntoIterator<Item = &'o Outcome>) -> String {
    let mut text = String::from(
        "| scenario | unit | raw | ours | ratio (least – most) | goal | p50 / p99 / p99.9 ms |\n|---|---|---|---|---|---|---|\n",
    );
    for outcome in outcomes.into_iter().filter(|outcome| outcome.ours().next().is_some()) {
        let (raw, ours, ratio) = match outcome.ratio() {
            Some(ratio) => (
                medians(outcome, |pair| pair.raw_figure),
                medians(outcome, |pair| pair.our_figure),
                format!("**{:.2}** ({:.2} – {:.2})", ratio.median, ratio.least, ratio.most),
            ),
            None => {
                let rates: Vec<f64> = outcome.alone.iter().map(Sample::rate).collect();
                ("–".to_owned(), number(median(&rates)), "–".to_owned())
            }
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {raw} | {ours} | {ratio} | {} | {} |",
            outcome.name,
            outcome.unit,
            goal(outcome),
            percentiles(latency(outcome))
        );
    }
    text
}

/// Microseconds of CPU for each operation of one side, by process.
fn costs<'o, S: Iterator<Item = &'o Sample>>(
    outcomes: impl Iterator<Item = &'o Outcome>,
    side: impl Fn(&'o Outcome) -> S,
) -> String {
    let cost = |outcome: &'o Outcome| -> BTreeMap<String, f64> {
        let names: BTreeSet<&String> = side(outcome).flat_map(|sample| sample.cpu.keys()).collect();
        let of = |name: &String| {
            let each = side(outcome).filter(|sample| sample.operations > 0);
            let each = each
                .map(|sample| 1e6 * sample.cpu.get(name).copied().unwrap_or(0.0) / sample.operations as f64);
            median(&each.collect::<Vec<_>>())
        };
        names.into_iter().map(|name| (name.clone(), of(name))).collect()
    };
    let rows: Vec<(&Outcome, BTreeMap<String, f64>)> =
        outcomes.map(|outcome| (outcome, cost(outcome))).filter(|(_, cost)| !cost.is_empty()).collect();
    let visible = |seconds: f64| seconds >= LEAST_COST;
    let used = rows.iter().flat_map(|(_, cost)| cost.iter().filter(|(_, seconds)| visible(**seconds)));
    let names: BTreeSet<&String> = used.map(|(name, _)| name).collect();
    let mut text = String::from("| scenario |");
    names.iter().for_each(|name| text.push_str(&format!(" {name} |")));
    text.push_str("\n|---|");
    names.iter().for_each(|_| text.push_str("---|"));
    text.push('\n');
    for (outcome, cost) in &rows {
        text.push_str(&format!("| {} |", outcome.name));
        for name in &names {
            let used = cost.get(*name).copied().unwrap_or(0.0);
            text.push_str(&if visible(used) { format!(" {} |", number(used)) } else { " – |".to_owned() });
        }
        text.push('\n');
    }
    text
}

fn fact(what: &str, found: &Fact) -> String {
    let value = number(found.value());
    match (found.most, found.is_within()) {
        (Some(most), Some(within)) => {
            format!("{what}: {value} (≤ {} {})", number(most), if within { "✓" } else { "✗" })
        }
        _ => format!("{what}: {value}"),
    }
}

/// Which raw sides could do more if more were asked of them.
fn saturated<'o>(outcomes: impl Iterator<Item = &'o Outcome>) -> String {
    let cores = |outcome: &Outcome| {
        let used = |sample: &Sample| sample.cpu.get("generator").copied().unwrap_or(0.0) / sample.seconds;
        median(&outcome.raw().map(used).collect::<Vec<_>>())
    };
    let limited: Vec<String> = outcomes
        .filter(|outcome| outcome.raw().next().is_some() && cores(outcome) > SATURATED)
        .map(|outcome| format!("`{}`", outcome.name))
        .collect();
    if limited.is_empty() {
        return String::new();
    }
    format!(
        "The generator itself limits the raw side of {}: its one thread uses a whole core, which it does not do on our \
         side for as many operations.\n\n",
        limited.join(", ")
    )
}

/// A few lines about one outcome, for somebody who waits.
pub fn lines(outcome: &Outcome) -> Vec<String> {
    let mut lines: Vec<String> = table([outcome]).lines().skip(2).map(str::to_owned).collect();
    lines.extend(outcome.facts.iter().map(|(what, found)| fact(what, found)));
    for curve in outcome.curves.iter().filter(|curve| curve.points.len() <= 10) {
        let points = curve.points.iter().map(|point| format!("{} → {}", number(point.x), number(point.y)));
        lines.push(format!("{} ({}): {}", curve.name, curve.y, points.collect::<Vec<_>>().join(", ")));
    }
    lines
}

/// What was played when, and what disturbed it.
fn plays(played: &[Played]) -> String {
    let mut text =
        String::from("| played | from (UTC) | seconds | cores used by others |\n|---|---|---|---|\n");
    for Played { scenario, at, seconds, others_cores, .. } in played {
        let (at, seconds) = (at.get(..16).unwrap_or(at), number(*seconds));
        text.push_str(&format!("| {} | {at} | {seconds} | {others_cores:.2} |\n", scenario.name()));
    }
    text
}

/// What a reader has to know before the figures.
fn warnings(played: &[Played]) -> String {
    let mut text = String::new();
    for one in played {
        if let Some(failure) = &one.failure {
            text.push_str(&format!("**Failed:** `{}` ({failure}).\n\n", one.scenario.name()));
        }
    }
    let busy: Vec<String> = played
        .iter()
        .filter(|one| one.was_disturbed())
        .map(|one| format!("`{}` ({:.1} cores)", one.scenario.name(), one.others_cores))
        .collect();
    if !busy.is_empty() {
        text.push_str(&format!(
            "**The machine was busy with other things** during {}: ratios are rough, and latencies wrong.\n\n",
            busy.join(", ")
        ));
    }
    text
}

/// The whole page.
pub fn page(report: &Report) -> String {
    let Report { at, machine, quick, apart, played } = report;
    let mut text = format!(
        "# Benchmark of {}\n\n{} cores of {}, {} MiB. {}{}\n\n{}{}\n",
        at.get(..16).unwrap_or(at),
        machine.cores,
        machine.processor,
        machine.memory_mib,
        if *apart { "A process for each role." } else { "The worker is a process of its own." },
        if *quick { " **Quick: shows that it works, not how fast it is.**" } else { "" },
        warnings(played) + &saturated(report.outcomes()),
        table(report.outcomes())
    );
    text.push_str("![ratios](ratios.svg)\n\n## Microseconds of CPU per operation of ours, by process\n\n");
    text.push_str(&costs(report.outcomes(), Outcome::ours));
    text.push_str("\n## And of the raw side\n\n");
    text.push_str(&costs(report.outcomes(), Outcome::raw));
    text.push_str(&format!("\n## When\n\n{}", plays(played)));
    text.push_str("\n## Notes, single figures and curves\n");
    for outcome in report.outcomes() {
        if outcome.notes.is_empty() && outcome.facts.is_empty() && outcome.curves.is_empty() {
            continue;
        }
        text.push_str(&format!("\n### {}\n", outcome.name));
        outcome.notes.iter().for_each(|note| text.push_str(&format!("- {note}.\n")));
        outcome.facts.iter().for_each(|(what, found)| text.push_str(&format!("- {}\n", fact(what, found))));
        for curve in &outcome.curves {
            text.push_str(&format!("\n![{}]({})\n", curve.name, super::chart::file_name(&curve.name)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_matter() {
        let cases =
            [(1_234_567.0, "1,234,567"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23"), (0.1234, "0.123")];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(-1_234.0), "-1,234");
    }

    #[test]
    fn a_row_tells_whether_the_goal_is_reached() {
        let sample = |operations| Sample { operations, seconds: 1.0, cpu: BTreeMap::new(), latency: None };
        let mut outcome = Outcome::new("hold", "holds/s", Some(Goal::Ratio(0.25)));
        outcome.pairs.push(Pair::of_rates(sample(1_000), sample(300)));
        let row = table([&outcome]);
        assert!(
            row.ends_with("| hold | holds/s | 1,000 | 300 | **0.30** (0.30 – 0.30) | ≥ 0.25 ✓ |  |\n"),
            "{row}"
        );
    }
}
