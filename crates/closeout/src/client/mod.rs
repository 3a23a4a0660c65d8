//! The client side of the HTTP interface: where the server is, with which key, and what a refusal means.

mod profile;
pub mod refusal;

use std::{path::PathBuf, time::Duration};

pub use ghost_report::plain;
use reqwest::{Method, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use crate::{
    config::Variables,
    exit::{Exit, Failure},
};

/// Where the server is when nobody says.
const USUAL_SERVER: &str = "http://127.0.0.1:8080";

/// How long a request may take beyond the wait that it asks for.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(5);

/// What the command line says about the server.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// `--server`
    pub server: Option<String>,
    /// `--token-file`
    pub token_file: Option<PathBuf>,
    /// `-p`
    pub profile: Option<String>,
}

/// A server and a key for it.
#[derive(Debug, Clone)]
pub struct Api {
    base: Url,
    key: Option<SecretString>,
    http: reqwest::Client,
}

/// An answer that is no refusal.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The body; null when there is none.
    pub body: Value,
}

impl Api {
    /// Finds server and key: flags, then the environment, then the profile.
    ///
    /// # Errors
    ///
    /// When the server is no URL, or a file cannot be read.
    pub fn find(place: &Place, variables: &Variables) -> Result<Self, Failure> {
        let profile = profile::find(place.profile.as_deref(), variables)?;
        let server = place
            .server
            .clone()
            .or_else(|| variables.value("CLOSEOUT_SERVER").map(str::to_owned))
            .or_else(|| profile.server.clone())
            .unwrap_or_else(|| USUAL_SERVER.to_owned());
        let key = match &place.token_file {
            Some(path) => Some(key_file(path)?),
            None => match (variables.value("CLOSEOUT_TOKEN"), variables.value("CLOSEOUT_TOKEN_FILE")) {
                (Some(key), _) => Some(SecretString::from(key.to_owned())),
                (None, Some(path)) => Some(key_file(&PathBuf::from(path))?),
                (None, None) => profile.key(variables)?,
            },
        };
        Self::at(&server, key)
    }

    /// A server by its URL.
    ///
    /// # Errors
    ///
    /// When it is no http or https URL.
    pub fn at(server: &str, key: Option<SecretString>) -> Result<Self, Failure> {
        let unusable =
            || Failure::usage(format!("{server:?} is not the URL of a server, such as {USUAL_SERVER}"));
        let mut base = Url::parse(server).map_err(|_| unusable())?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(unusable());
        }
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .user_agent(concat!("closeout/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                Failure::new(Exit::Unexpected, format!("no HTTP client can be made: {error}"))
            })?;
        Ok(Self { base, key, http })
    }

    /// The server's URL.
    pub fn server(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Asks, and reads JSON.
    ///
    /// # Errors
    ///
    /// The problem's own words and fix, with the exit code that its status stands for.
    pub async fn get(&self, path: &str, query: &[(String, String)]) -> Result<Answer, Failure> {
        self.send(Method::GET, path, query, None, Duration::ZERO).await
    }

    /// Asks, and leaves the server so much time beyond the usual.
    ///
    /// # Errors
    ///
    /// As [`Api::get`].
    pub async fn get_within(
        &self,
        path: &str,
        query: &[(String, String)],
        wait: Duration,
    ) -> Result<Answer, Failure> {
        self.send(Method::GET, path, query, None, wait).await
    }

    /// Sends JSON.
    ///
    /// # Errors
    ///
    /// As [`Api::get`].
    pub async fn post(
        &self,
        path: &str,
        query: &[(String, String)],
        body: &Value,
        idempotency_key: Option<&str>,
        wait: Duration,
    ) -> Result<Answer, Failure> {
        self.send(Method::POST, path, query, Some((body, idempotency_key)), wait).await
    }

    /// Sends a file.
    ///
    /// # Errors
    ///
    /// As [`Api::get`].
    pub async fn post_file(
        &self,
        path: &str,
        query: &[(String, String)],
        content_type: &'static str,
        file: Vec<u8>,
    ) -> Result<Answer, Failure> {
        let request = self.request(Method::POST, path, query, Duration::ZERO)?;
        let sent = request.header(header::CONTENT_TYPE, content_type).body(file).send().await;
        self.read(sent.map_err(|error| self.unreachable(&error))?).await
    }

    /// Sends an event as its sender does: JSON with these headers, and without the key.
    ///
    /// # Errors
    ///
    /// As [`Api::get`].
    pub async fn deliver(
        &self,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<Answer, Failure> {
        let keyless = Self { key: None, ..self.clone() };
        let request = keyless.request(Method::POST, path, &[], Duration::ZERO)?;
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let sent = request.header(header::CONTENT_TYPE, "application/json").body(body).send().await;
        keyless.read(sent.map_err(|error| self.unreachable(&error))?).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(String, String)],
        body: Option<(&Value, Option<&str>)>,
        wait: Duration,
    ) -> Result<Answer, Failure> {
        let mut request = self.request(method, path, query, wait)?;
        if let Some((body, key)) = body {
            request = request.json(body);
            if let Some(key) = key {
                request = request.header("Idempotency-Key", key);
            }
        }
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        self.read(answer).await
    }

    /// A request with the key, without a body.
    fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(String, String)],
        wait: Duration,
    ) -> Result<reqwest::RequestBuilder, Failure> {
        let url = self
            .base
            .join(path.trim_start_matches('/'))
            .map_err(|error| Failure::new(Exit::Unexpected, format!("{path} is no path: {error}")))?;
        let mut request = self.http.request(method, url).timeout(PATIENCE + wait);
        if !query.is_empty() {
            request = request.query(query);
        }
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.expose_secret());
        }
        Ok(request)
    }

    async fn read(&self, answer: reqwest::Response) -> Result<Answer, Failure> {
        let status = answer.status();
        let is_json = answer
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|kind| kind.contains("json"));
        let retry_after = answer
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let bytes = answer.bytes().await.map_err(|error| self.unreachable(&error))?;
        let body = match serde_json::from_slice(&bytes) {
            Ok(body) => body,
            Err(_) if bytes.is_empty() || !is_json => {
                Value::String(String::from_utf8_lossy(&bytes).into_owned())
            }
            Err(error) => {
                let said = format!("{} answered with JSON that cannot be read: {error}", self.server());
                return Err(Failure::new(Exit::Unexpected, said));
            }
        };
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(Answer { body });
        }
        Err(self.refusal(status, &body, retry_after))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let what = if error.is_timeout() {
            "did not answer in time"
        } else if error.is_connect() {
            "cannot be reached"
        } else {
            "broke off the answer"
        };
        Failure::new(Exit::Unreachable, format!("{} {what}", self.server()))
            .fix("start it with `closeout serve`, or name another with --server or CLOSEOUT_SERVER")
    }

    fn refusal(&self, status: StatusCode, problem: &Value, retry_after: Option<Duration>) -> Failure {
        let mut failure = refusal::failure(self.server(), status.as_u16(), problem, retry_after);
        let ours = failure.fix.as_deref() != Some(refusal::ANOTHER_PROGRAM);
        if status == StatusCode::UNAUTHORIZED && self.key.is_none() && ours {
            failure.fix = Some("give a key with --token-file or CLOSEOUT_TOKEN".to_owned());
        }
        failure
    }
}

fn key_file(path: &PathBuf) -> Result<SecretString, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("the key file {} cannot be read: {error}", path.display()))
    })?;
    let key = text.trim();
    if key.is_empty() || key.contains(char::is_whitespace) {
        return Err(Failure::usage(format!(
            "the key file {} must hold one key and nothing else",
            path.display()
        )));
    }
    Ok(SecretString::from(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn without_a_key_the_fix_says_how_to_give_one() {
        let api = Api::at("http://127.0.0.1:1", None).unwrap();
        let failure = api.refusal(StatusCode::UNAUTHORIZED, &json!({ "detail": "No key." }), None);
        assert_eq!(failure.exit, Exit::NotAllowed);
        assert!(failure.fix.unwrap().contains("CLOSEOUT_TOKEN"));
    }

    #[test]
    fn what_is_no_server_is_a_mistake_of_usage() {
        for server in ["", "localhost:8080", "ftp://x", "http://"] {
            assert_eq!(Api::at(server, None).unwrap_err().exit, Exit::Usage, "{server}");
        }
    }

    #[test]
    fn a_flag_outranks_the_environment_and_that_the_profile() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".config/closeout");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(
            folder.join("profiles.toml"),
            "[default]\nserver = \"http://one\"\n[prod]\nserver = \"http://two\"\ntoken = \"env:PROD_KEY\"\n",
        )
        .unwrap();
        let mut variables = Variables::default();
        variables.0.insert("HOME".to_owned(), home.path().display().to_string());
        variables.0.insert("PROD_KEY".to_owned(), "planted".to_owned());
        let found = |place: &Place, variables: &Variables| Api::find(place, variables).unwrap();
        assert_eq!(found(&Place::default(), &variables).server(), "http://one");
        let prod = Place { profile: Some("prod".to_owned()), ..Place::default() };
        assert_eq!(found(&prod, &variables).key.unwrap().expose_secret(), "planted");
        variables.0.insert("CLOSEOUT_SERVER".to_owned(), "http://three".to_owned());
        assert_eq!(found(&prod, &variables).server(), "http://three");
        let flagged = Place { server: Some("http://four".to_owned()), ..prod };
        assert_eq!(found(&flagged, &variables).server(), "http://four");
        let elsewhere = Variables(std::iter::once(("HOME".to_owned(), "/nowhere".to_owned())).collect());
        let fix = Api::find(&Place { profile: Some("prod".to_owned()), ..Place::default() }, &elsewhere)
            .unwrap_err()
            .fix
            .unwrap();
        assert!(fix.contains("a table [prod] with server"), "{fix}");
        let unknown = Place { profile: Some("prd".to_owned()), ..Place::default() };
        assert!(Api::find(&unknown, &variables).unwrap_err().message.contains("default, prod"));
    }
}
