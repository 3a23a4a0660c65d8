//! What is typed as the pages show it, or as a browser has it, in the spelling of the interface. What is neither stays, for the interface to
//! say what is wrong with it.

use jiff::Timestamp;
use uuid::Uuid;

/// A moment as the pages show it, `2026-11-30 00:12:00 UTC` or `3 min ago`.
pub(crate) fn moment(given: &str) -> String {
    let utc = || {
        let (day, time) = given.strip_suffix(" UTC")?.split_once(' ')?;
        let at: Timestamp = format!("{day}T{time}Z").parse().ok()?;
        Some(at.to_string())
    };
    let ago = || {
        let (number, unit) = given.strip_suffix(" ago")?.split_once(' ')?;
        let unit = match unit {
            "s" | "h" | "d" => unit,
            "min" => "m",
            _ => return None,
        };
        Some(format!("{number}{unit}"))
    };
    utc().or_else(ago).unwrap_or_else(|| given.to_owned())
}

/// Names in words, with commas between several: `no confirmation` is `no_confirmation`.
pub(crate) fn names(given: &str) -> String {
    let name = |name: &str| name.trim().to_ascii_lowercase().replace(' ', "_");
    given.split(',').map(name).collect::<Vec<_>>().join(",")
}

/// The id of Genesys in the address of a page of it.
pub(crate) fn id(given: &str) -> &str {
    let mut parts = given.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    let found = if given.contains("://") { parts.find(|part| is_genesys_id(part)) } else { None };
    found.unwrap_or(given)
}

/// Whether this is an id as Genesys writes them.
pub(crate) fn is_genesys_id(text: &str) -> bool {
    text.len() == 36 && text.parse::<Uuid>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_pages_show_is_taken() {
        for (given, taken) in [
            ("2026-11-30 00:12:00 UTC", "2026-11-30T00:12:00Z"),
            ("2026-11-30 00:12:00.745 UTC", "2026-11-30T00:12:00.745Z"),
            ("45 s ago", "45s"),
            ("3 min ago", "3m"),
            ("2 h ago", "2h"),
            ("5 d ago", "5d"),
            ("2026-11-30T00:12:00Z", "2026-11-30T00:12:00Z"),
            ("1h", "1h"),
            ("2026-99-30 00:12:00 UTC", "2026-99-30 00:12:00 UTC"),
            ("3 moons ago", "3 moons ago"),
        ] {
            assert_eq!(moment(given), taken);
        }
        assert_eq!(names("No confirmation, rejected"), "no_confirmation,rejected");
    }

    #[test]
    fn an_address_of_genesys_has_an_id_in_it() {
        let conversation = "3fb0a3b5-5f5a-4c43-8a3b-0d2c3c1f9a10";
        for address in [
            format!(
                "https://apps.euc1.pure.cloud/directory/#/analytics/interactions/{conversation}/admin?tab=x"
            ),
            format!("https://apps.mypurecloud.de/directory/#/engage/admin/interactions/{conversation}"),
        ] {
            assert_eq!(id(&address), conversation);
        }
        for other in ["https://apps.example/none", "order-3fb0a3b5", "cl_1"] {
            assert_eq!(id(other), other);
        }
        let key = format!("order/{conversation}");
        assert_eq!(id(&key), key, "a key of a producer");
    }
}
