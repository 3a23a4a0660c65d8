//! Keys that are lent for a while, as to somebody whom a provider has proven.

use std::sync::PoisonError;

use super::{AccessKey, Keys, callers};

/// A key that opens the service for as long as this is held. It stands in no file, and [`Keys::replace`] leaves it.
#[derive(Debug)]
pub struct Lent {
    keys: Keys,
    sha256: [u8; 32],
}

impl Keys {
    /// Lends a key. Its holder is told in audit and timelines by its name, as the holder of any other.
    pub fn lend(&self, key: AccessKey) -> Lent {
        let sha256 = key.sha256;
        self.lent.write().unwrap_or_else(PoisonError::into_inner).extend(callers(vec![key]));
        Lent { keys: self.clone(), sha256 }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut lent = self.keys.lent.write().unwrap_or_else(PoisonError::into_inner);
        lent.retain(|(hashed, _)| hashed.0 != self.sha256);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header};
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::access::{Need, Role};

    fn key(name: &str, key: &str, role: Role) -> AccessKey {
        let organisations = vec!["main".parse().unwrap()];
        AccessKey { name: name.to_owned(), sha256: Sha256::digest(key).into(), role, organisations }
    }

    #[test]
    fn what_is_lent_opens_for_as_long_as_it_is_held_and_outlasts_other_keys() {
        let keys = Keys::new(vec![key("ann", "one", Role::Admin)]);
        let name_of = |key: &str, need| {
            let headers =
                HeaderMap::from_iter([(header::AUTHORIZATION, format!("Bearer {key}").parse().unwrap())]);
            keys.admit(&headers, need).map(|caller| caller.name.to_string()).ok()
        };
        let (lent, other) =
            (keys.lend(key("oidc:bob", "two", Role::Read)), keys.lend(key("oidc:eve", "three", Role::Read)));
        assert_eq!(name_of("two", Need::Read).as_deref(), Some("oidc:bob"));
        assert_eq!(name_of("two", Need::Operate), None, "its role holds");
        keys.replace(Vec::new());
        assert_eq!((name_of("one", Need::Read), name_of("two", Need::Read).is_some()), (None, true));
        drop(lent);
        assert_eq!((name_of("two", Need::Read), name_of("three", Need::Read).is_some()), (None, true));
        drop(other);
        assert_eq!(name_of("three", Need::Read), None);
    }
}
