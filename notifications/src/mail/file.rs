//! Messages as files, for development and tests.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use kernel::EventId;
use lettre::Message;
use tokio::task::spawn_blocking;

use super::{MailError, Mailer};

/// Writes each message to `<event id>.eml` (RFC 5322) in a folder.
///
/// The name and the content depend on the event only, and the file appears whole or not at all:
/// a message that is sent again after a crash is still one file.
pub(crate) struct FileMailer {
    folder: PathBuf,
}

impl FileMailer {
    pub(crate) const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

#[async_trait]
impl Mailer for FileMailer {
    async fn send(&self, event: EventId, message: &Message) -> Result<(), MailError> {
        let (folder, content) = (self.folder.clone(), message.formatted());
        spawn_blocking(move || write(&folder, event, &content))
            .await
            .map_err(io::Error::from)
            .flatten()
            .map_err(|error| MailError::transient(format!("file: {}", error.kind())))
    }

    fn longest_send(&self) -> Duration {
        Duration::from_secs(2)
    }
}

fn write(folder: &Path, event: EventId, content: &[u8]) -> io::Result<()> {
    // Named after the process too: another one may be writing the same message.
    let part = folder.join(format!(".{event}.{}.part", std::process::id()));
    if let Err(error) = fs::write(&part, content) {
        if error.kind() != io::ErrorKind::NotFound {
            return Err(error);
        }
        fs::create_dir_all(folder)?;
        fs::write(&part, content)?;
    }
    fs::rename(&part, folder.join(format!("{event}.eml")))
}

#[cfg(test)]
mod tests {
    use kernel::{Id, IdSource as _, SystemIds};

    use super::*;

    #[tokio::test]
    async fn a_repeat_is_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let nested = folder.path().join("mail");
        let mailer = FileMailer::new(nested.clone());
        let event = Id::from_uuid(SystemIds.uuid());
        let message = Message::builder()
            .from("a@example.com".parse().unwrap())
            .to("b@example.com".parse().unwrap())
            .body("hello".to_owned())
            .unwrap();
        mailer.send(event, &message).await.unwrap();
        mailer.send(event, &message).await.unwrap();
        let names: Vec<_> = fs::read_dir(nested)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(names, [format!("{event}.eml")]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_worth_another_try() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let event = Id::from_uuid(SystemIds.uuid());
        let error = write(file.path(), event, b"").unwrap_err();
        assert!(error.kind() == io::ErrorKind::AlreadyExists || error.raw_os_error().is_some());
    }
}
