//! Who may do what: keys, roles, and the one table that says which role a need asks for.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use genesys_types::Organisation;
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::problem::{Problem, kinds};

mod lent;

pub use lent::Lent;

/// What a key is for. Each role is spelt in `tokens.toml` as here, in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A producer: requests closures and follows them by their id.
    Submit,
    /// A page or a tool that looks.
    Read,
    /// An operator: looks, requests, and acts.
    Operate,
    /// Everything, the configuration included.
    Admin,
}

impl Role {
    /// Every role, from the least to the most.
    pub const ALL: [Self; 4] = [Self::Submit, Self::Read, Self::Operate, Self::Admin];

    /// The name in `tokens.toml` and in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    /// Whether the role is enough for the need.
    pub(crate) const fn suffices(self, need: Need) -> bool {
        match need {
            Need::Nothing | Need::AnyKey | Need::Follow => true,
            Need::Submit => matches!(self, Self::Submit | Self::Operate | Self::Admin),
            Need::Read | Need::Metrics => matches!(self, Self::Read | Self::Operate | Self::Admin),
            Need::Operate => matches!(self, Self::Operate | Self::Admin),
            Need::Admin => matches!(self, Self::Admin),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRole;

impl fmt::Display for InvalidRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a role is one of submit, read, operate and admin")
    }
}

impl std::error::Error for InvalidRole {}

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, InvalidRole> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or(InvalidRole)
    }
}

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: health, version and description.
    Nothing,
    /// A key of any role.
    AnyKey,
    /// Leave to request closures.
    Submit,
    /// Leave to follow one closure whose id is known. An id is drawn at random, and a producer whose command was attached
    /// to the closure of another follows it like its own; hence every role, within its organisations.
    Follow,
    /// Leave to look at everything.
    Read,
    /// As [`Need::Read`], unless the program has opened the metrics to everybody.
    Metrics,
    /// Leave to act.
    Operate,
    /// Leave for everything.
    Admin,
}

impl Need {
    /// The least role that is enough, for the words of a refusal; `None` where any key, or none, is enough.
    pub(crate) const fn least_role(self) -> Option<Role> {
        match self {
            Self::Nothing | Self::AnyKey | Self::Follow => None,
            Self::Submit => Some(Role::Submit),
            Self::Read | Self::Metrics => Some(Role::Read),
            Self::Operate => Some(Role::Operate),
            Self::Admin => Some(Role::Admin),
        }
    }
}

/// One key, as `tokens.toml` keeps it: never the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// The name of its holder. It is shown in timelines beside what the holder did, and it is the scope of the holder's
    /// idempotency keys, so two keys of one producer should not differ in it.
    pub name: String,
    /// SHA-256 of the key.
    pub sha256: [u8; 32],
    /// What the key is for.
    pub role: Role,
    /// The organisations that the holder sees and acts on; an empty list allows none.
    pub organisations: Vec<Organisation>,
}

/// Every key that opens this service. A copy shares them: what [`Keys::replace`] does is seen by all.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    known: Arc<RwLock<Known>>,
    lent: Arc<RwLock<Known>>,
    development: Option<Caller>,
}

type Known = Vec<(Hashed, Caller)>;

/// Which organisations a caller sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sight {
    /// All that are configured.
    All,
    /// These.
    These(Arc<[Organisation]>),
}

/// Who calls. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) name: Arc<str>,
    pub(crate) role: Role,
    pub(crate) sight: Sight,
}

impl Caller {
    /// Whether the caller may see and use an organisation.
    pub(crate) fn sees(&self, organisation: &Organisation) -> bool {
        match &self.sight {
            Sight::All => true,
            Sight::These(list) => list.contains(organisation),
        }
    }

    /// Those of the configured organisations that the caller sees.
    pub(crate) fn seen<'a>(
        &'a self,
        configured: &'a [Organisation],
    ) -> impl Iterator<Item = &'a Organisation> + Clone {
        configured.iter().filter(|organisation| self.sees(organisation))
    }
}

impl Keys {
    /// The keys of `tokens.toml`. With an empty list every route that needs a key answers 401.
    pub fn new(keys: Vec<AccessKey>) -> Self {
        Self { known: Arc::new(RwLock::new(callers(keys))), ..Self::default() }
    }

    /// Puts other keys in place of all. Requests that were admitted already go on.
    pub fn replace(&self, keys: Vec<AccessKey>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = callers(keys);
    }

    /// No key at all: whoever reaches the port is admin of every organisation. For a machine of one's own only; it warns
    /// in the log.
    pub fn open_for_development() -> Self {
        tracing::warn!("the API is open: whoever reaches the port may do everything, without a key");
        let caller = Caller { name: Arc::from("development"), role: Role::Admin, sight: Sight::All };
        Self { development: Some(caller), ..Self::default() }
    }

    /// How many keys there are; what is lent is not counted.
    pub fn len(&self) -> usize {
        self.known().len()
    }

    /// Whether there is no key, so that nobody can call anything but the open routes.
    pub fn is_empty(&self) -> bool {
        self.known().is_empty() && self.development.is_none()
    }

    /// The names of all keys: whose idempotency keys there can be.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        let developer = self.development.iter().map(|developer| Arc::clone(&developer.name));
        self.known().iter().map(|(_, caller)| Arc::clone(&caller.name)).chain(developer).collect()
    }

    /// The caller behind a request, if it may do what the route needs.
    pub(crate) fn admit(&self, headers: &HeaderMap, need: Need) -> Result<Caller, Problem> {
        if let Some(developer) = &self.development {
            return Ok(developer.clone());
        }
        let caller = self.identify(headers)?;
        if caller.role.suffices(need) {
            return Ok(caller);
        }
        let needed = need.least_role().map_or("any", Role::name);
        Err(Problem::new(
            &kinds::FORBIDDEN,
            format!("The key \"{}\" has the role {}; this needs {needed}.", caller.name, caller.role),
        )
        .fix(format!("Use a key with the role {needed}, or ask whoever keeps tokens.toml for one.")))
    }

    fn identify(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        if self.known().is_empty() && self.lent().is_empty() {
            return Err(Problem::new(&kinds::UNAUTHENTICATED, "This service has no keys yet, so it admits nobody.")
                .fix(
                    "Make a key with `openssl rand -hex 32`, put its SHA-256 (`printf %s \"$KEY\" | sha256sum`) with a \
                     name, a role and organisations into tokens.toml, name that file in [auth] tokens_file, and \
                     send the service a SIGHUP, or restart it.",
                ));
        }
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Err(Problem::new(&kinds::UNAUTHENTICATED, "The request carries no key."));
        };
        let presented = bearer(value.as_bytes()).ok_or_else(|| {
            Problem::new(
                &kinds::UNAUTHENTICATED,
                "The Authorization header is not of the form `Bearer <key>`.",
            )
        })?;
        self.find(presented)
            .ok_or_else(|| Problem::new(&kinds::UNAUTHENTICATED, "The key is not known here."))
    }

    /// Compares with every key, so that the time says nothing of which matched, or how far.
    fn find(&self, presented: &[u8]) -> Option<Caller> {
        let (known, lent) = (self.known(), self.lent());
        let digest: [u8; 32] = Sha256::digest(presented).into();
        let mut found = u32::MAX;
        for (index, (hashed, _)) in (0u32..).zip(known.iter().chain(&*lent)) {
            let matches: Choice = hashed.0.ct_eq(&digest);
            found.conditional_assign(&index, matches);
        }
        known.iter().chain(&*lent).nth(usize::try_from(found).ok()?).map(|(_, caller)| caller.clone())
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lent(&self) -> RwLockReadGuard<'_, Known> {
        self.lent.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn callers(keys: Vec<AccessKey>) -> Known {
    let known = keys.into_iter().map(|key| {
        let caller = Caller {
            name: Arc::from(key.name),
            role: key.role,
            sight: Sight::These(Arc::from(key.organisations)),
        };
        (Hashed(key.sha256), caller)
    });
    known.collect()
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    let key = rest.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !key.is_empty()).then_some(key)
}

/// SHA-256 of a key. It does not print.
#[derive(Clone)]
struct Hashed([u8; 32]);

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        let key = |name: &str, key: &str, role| AccessKey {
            name: name.to_owned(),
            sha256: Sha256::digest(key).into(),
            role,
            organisations: vec!["main".parse().unwrap()],
        };
        Keys::new(vec![key("first", "key-one", Role::Submit), key("second", "key-two", Role::Admin)])
    }

    fn with(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn a_key_is_found_by_its_digest_whatever_its_place() {
        for (value, name) in
            [("Bearer key-one", "first"), ("bearer key-two", "second"), ("BEARER  key-two ", "second")]
        {
            assert_eq!(&*keys().admit(&with(value), Need::AnyKey).unwrap().name, name, "{value}");
        }
    }

    #[test]
    fn whatever_is_not_a_known_key_is_refused() {
        for value in ["Bearer key-on", "Bearer key-onee", "Bearer", "Bearer ", "Basic key-one", "key-one", ""]
        {
            let problem = keys().admit(&with(value), Need::AnyKey).unwrap_err();
            assert_eq!(problem.status(), 401, "{value}");
        }
        assert_eq!(keys().admit(&HeaderMap::new(), Need::AnyKey).unwrap_err().status(), 401);
        assert_eq!(Keys::new(Vec::new()).admit(&with("Bearer x"), Need::AnyKey).unwrap_err().status(), 401);
    }

    #[test]
    fn a_refusal_names_the_role_that_is_needed() {
        let problem = keys().admit(&with("Bearer key-one"), Need::Operate).unwrap_err();
        assert_eq!(problem.status(), 403);
        assert!(problem.detail().contains("needs operate"), "{}", problem.detail());
    }

    #[test]
    fn an_open_service_admits_everybody_to_everything() {
        let caller = Keys::open_for_development().admit(&HeaderMap::new(), Need::Admin).unwrap();
        assert_eq!(caller.role, Role::Admin);
        assert!(caller.sees(&"any".parse().unwrap()));
        assert!(!Keys::open_for_development().is_empty() && Keys::new(Vec::new()).is_empty());
    }

    #[test]
    fn a_role_is_read_as_it_is_written() {
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert_eq!("Admin".parse::<Role>(), Err(InvalidRole));
    }
}
