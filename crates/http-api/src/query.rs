//! The parameters of a query: strict about unknown and repeated ones.

use std::time::Duration;

use http::{HeaderMap, Uri};

use crate::{problem::Problem, spans, suggest};

/// The longest wait of one request. Most proxies cut silent requests after one minute or a few.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// The parameters that are still to be read.
#[derive(Debug)]
pub(crate) struct Query {
    left: Vec<(String, String)>,
    /// The names that the route has asked for: those that it knows.
    known: Vec<String>,
}

impl Query {
    pub(crate) fn of(uri: &Uri) -> Result<Self, Problem> {
        if uri.query().is_none_or(str::is_empty) {
            return Ok(Self { left: Vec::new(), known: Vec::new() });
        }
        axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map(|query| Self { left: query.0, known: Vec::new() })
            .map_err(|_| Problem::invalid("query", "The query cannot be read as name=value&name=value."))
    }

    /// A parameter; at most one.
    pub(crate) fn one(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut given = self.all(name);
        match given.len() {
            0 => Ok(None),
            1 => Ok(given.pop()),
            _ => Err(Problem::invalid(name, format!("The parameter {name} is given more than once."))),
        }
    }

    /// Every value of a parameter, which may be given several times, and with commas. Without a value it is an empty list; a gap
    /// between commas is a value without letters.
    pub(crate) fn several(&mut self, name: &str) -> Vec<String> {
        self.all(name)
            .iter()
            .filter(|value| !value.is_empty())
            .flat_map(|value| value.split(','))
            .map(str::to_owned)
            .collect()
    }

    /// Every parameter whose name begins with `prefix`, by the rest of its name.
    pub(crate) fn prefixed(&mut self, prefix: &str) -> Vec<(String, String)> {
        self.known.push(format!("{prefix}NAME"));
        self.left
            .extract_if(.., |(name, _)| name.starts_with(prefix))
            .map(|(name, value)| (name[prefix.len()..].to_owned(), value))
            .collect()
    }

    /// How long to wait.
    pub(crate) fn wait(&mut self) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.one("wait")? else { return Ok(None) };
        match spans::parse_short(&text) {
            Some(wait) if wait <= LONGEST_WAIT => Ok(Some(wait)),
            Some(_) | None => Err(Problem::invalid(
                "wait",
                format!("wait is a length of time of at most 5m, such as 30s; it was \"{text}\"."),
            )),
        }
    }

    /// How many items to answer with.
    pub(crate) fn limit(&mut self, usual: usize, most: usize) -> Result<usize, Problem> {
        let Some(text) = self.one("limit")? else { return Ok(usual) };
        match text.parse() {
            Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
            Ok(_) | Err(_) => Err(Problem::invalid(
                "limit",
                format!("limit is a number from 1 to {most}; it was \"{text}\"."),
            )),
        }
    }

    /// A switch: on where it is given without a value or as `true`.
    pub(crate) fn switch(&mut self, name: &str) -> Result<bool, Problem> {
        match self.one(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("" | "true") => Ok(true),
            Some(other) => {
                Err(Problem::invalid(name, format!("{name} is true or false; it was \"{other}\".")))
            }
        }
    }

    /// Whether a parameter is given and was not taken yet.
    pub(crate) fn named(&self, name: &str) -> bool {
        self.left.iter().any(|(given, _)| given == name)
    }

    /// Refuses what is left, with the nearest of the names that were asked for.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        let Some((unknown, _)) = self.left.into_iter().next() else { return Ok(()) };
        let here = "There is no parameter";
        let detail = if self.known.is_empty() {
            format!("{here} \"{unknown}\": this path takes none.")
        } else {
            let known: Vec<_> = self.known.iter().map(String::as_str).collect();
            format!("{here} \"{unknown}\" here. {}", suggest::advice(&unknown, &known))
        };
        Err(Problem::invalid(unknown, detail))
    }

    fn all(&mut self, name: &str) -> Vec<String> {
        self.known.push(name.to_owned());
        self.left.extract_if(.., |(given, _)| given == name).map(|(_, value)| value).collect()
    }
}

/// The wait of `Prefer: wait=30` (RFC 7240), in seconds. A preference that is not understood is ignored, and one that is
/// too long is cut, as the RFC wants.
pub(crate) fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|preference| {
            let (name, value) = preference.split_once('=')?;
            let seconds = value.split(';').next()?.trim().trim_matches('"').parse().ok()?;
            name.trim().eq_ignore_ascii_case("wait").then(|| Duration::from_secs(seconds).min(LONGEST_WAIT))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::of(&format!("/x?{text}").parse().unwrap()).unwrap()
    }

    #[test]
    fn an_unknown_parameter_is_refused_with_the_nearest_known_one() {
        let mut given = query("limt=3");
        given.limit(50, 500).unwrap();
        let problem = given.finish().unwrap_err();
        assert_eq!(problem.detail(), "There is no parameter \"limt\" here. Did you mean \"limit\"?");
    }

    #[test]
    fn only_what_the_route_asked_for_is_suggested() {
        let mut given = query("state=ghost");
        given.several("organisation");
        given.prefixed("label.");
        let problem = given.finish().unwrap_err();
        assert_eq!(
            problem.detail(),
            "There is no parameter \"state\" here. Known are organisation, label.NAME."
        );
        let problem = query("x").finish().unwrap_err();
        assert_eq!(problem.detail(), "There is no parameter \"x\": this path takes none.");
    }

    #[test]
    fn a_switch_is_on_or_off_and_nothing_between() {
        for (text, on) in [("verbose", true), ("verbose=true", true), ("verbose=false", false), ("", false)] {
            assert_eq!(query(text).switch("verbose").unwrap(), on, "{text}");
        }
        assert_eq!(query("verbose=maybe").switch("verbose").unwrap_err().status(), 422);
    }

    #[test]
    fn a_parameter_is_read_once_and_lists_take_commas() {
        let mut given = query("state=ghost,blocked&state=closed&label.team=a%20b&wait=30s");
        assert_eq!(given.several("state"), ["ghost", "blocked", "closed"]);
        assert_eq!(given.prefixed("label."), [("team".to_owned(), "a b".to_owned())]);
        assert_eq!(given.wait().unwrap(), Some(Duration::from_secs(30)));
        assert!(given.finish().is_ok());
        assert_eq!(query("state=").several("state"), [""; 0]);
        assert_eq!(query("state=ghost,,closed").several("state"), ["ghost", "", "closed"]);
        assert_eq!(query("wait=1s&wait=2s").wait().unwrap_err().status(), 422);
    }

    #[test]
    fn bounds_are_named() {
        for text in ["limit=0", "limit=501", "limit=many", "limit=-1"] {
            assert_eq!(query(text).limit(50, 500).unwrap_err().status(), 422, "{text}");
        }
        for text in ["wait=6m", "wait=30", "wait=-1s"] {
            assert_eq!(query(text).wait().unwrap_err().status(), 422, "{text}");
        }
    }

    #[test]
    fn a_preference_is_followed_as_far_as_it_is_understood() {
        let wait = |value: &str| {
            preferred_wait(&HeaderMap::from_iter([(
                http::HeaderName::from_static("prefer"),
                value.parse().unwrap(),
            )]))
        };
        assert_eq!(wait("wait=30"), Some(Duration::from_secs(30)));
        assert_eq!(wait("respond-async, Wait=\"5\""), Some(Duration::from_secs(5)));
        assert_eq!(wait("wait=100000"), Some(LONGEST_WAIT));
        assert_eq!(wait("wait=soon"), None);
        assert_eq!(wait("respond-async"), None);
    }
}
