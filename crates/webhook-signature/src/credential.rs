//! Static keys: `bearer`, `basic` and `header`.

use subtle::ConstantTimeEq as _;

use crate::headers::pick;
use crate::scheme::Place;
use crate::secret::{Secret, credential, digest};
use crate::{Refused, Verified};

const AUTHORIZATION: &str = "Authorization";

/// Compares the key that came with every key of the hook, in constant time.
pub(crate) fn verify<'a>(
    place: &Place,
    secrets: &[Secret],
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<Verified, Refused> {
    let [line] = pick(headers, [Some(place.header())]);
    let presented = place.read(line.required()?).ok_or(Refused::WrongKey)?;
    let presented = digest(presented);
    let mut fitting = None;
    for (index, secret) in secrets.iter().enumerate() {
        let held = secret.credential_digest().ok_or(Refused::WrongKey)?;
        let fits = bool::from(held.ct_eq(&*presented));
        fitting = fitting.or(fits.then_some(index));
    }
    let secret_index = Some(fitting.ok_or(Refused::WrongKey)?);
    Ok(Verified { secret_index, ..Verified::default() })
}

/// The header that carries the first key.
pub(crate) fn present(place: &Place, secrets: &[Secret]) -> Vec<(String, String)> {
    let Some(secret) = secrets.first() else {
        return Vec::new();
    };
    let key = credential(secret.text(), place);
    let value = format!("{}{}", place.word(), String::from_utf8_lossy(&key));
    vec![(place.header().to_owned(), value)]
}

impl Place {
    /// The header that carries the key.
    pub(crate) fn header(&self) -> &str {
        match self {
            Self::Bearer | Self::Basic => AUTHORIZATION,
            Self::Header(name) => name,
        }
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Bearer => "Bearer ",
            Self::Basic => "Basic ",
            Self::Header(_) => "",
        }
    }

    /// Takes the authorization scheme's name off; it has no case (RFC 9110, section 11.1).
    pub(crate) fn read<'a>(&self, value: &'a [u8]) -> Option<&'a [u8]> {
        let (word, key) = value.split_at_checked(self.word().len())?;
        word.eq_ignore_ascii_case(self.word().as_bytes()).then_some(key)
    }
}
