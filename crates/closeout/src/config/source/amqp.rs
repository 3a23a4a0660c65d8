//! What a source in RabbitMQ needs.

use std::path::PathBuf;

use queue_amqp::Settings;
use secrecy::SecretString;
use url::Url;

use super::super::{environment::Variables, layers::Reader};

/// The kind.
pub(super) const KIND: &str = "amqp";

/// Where a queue is, and whom to believe that it is there.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The queue.
    pub settings: Settings,
    /// Certificates to trust beside those of the machine.
    pub ca_file: Option<PathBuf>,
}

/// Reads the table of this number.
pub(super) fn read(reader: &mut Reader<'_>, number: usize, variables: &Variables) -> Option<Setup> {
    let path = |key: &str| format!("source.{number}.{key}");
    let url = url(reader, &path("url"));
    let queue =
        super::needed(reader, &path("queue"), "is missing: it names the queue that holds the commands");
    let user = super::user(reader, number, variables);
    let ca_file = super::file(reader, &path("ca_file"));
    let (url, queue, user) = (url?, queue?, user?);
    match Settings::new(&url, &queue) {
        Ok(settings) => Some(Setup {
            settings: match user {
                Some((user, password)) => settings.with_user(&user, &password),
                None => settings,
            },
            ca_file,
        }),
        Err(why) => {
            reader.refuse(&path("url"), format_args!("and queue cannot be used: {why}"));
            None
        }
    }
}

fn url(reader: &mut Reader<'_>, path: &str) -> Option<SecretString> {
    let text = super::needed(reader, path, "is missing: say where the broker is, as amqp://127.0.0.1:5672")?;
    let why = match Url::parse(&text) {
        Err(error) => error.to_string(),
        Ok(url) if !matches!(url.scheme(), "amqp" | "amqps") || url.host_str().is_none_or(str::is_empty) => {
            "must begin with amqp:// or amqps:// and name one host".to_owned()
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "must hold no user and password: use user and password".to_owned()
        }
        Ok(_) => return Some(SecretString::from(text)),
    };
    reader.refuse(path, why);
    None
}
