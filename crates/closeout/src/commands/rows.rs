//! The rows of a batch, as a file has them, and in which form.

use std::{io::Read as _, path::PathBuf};

use genesys_types::ConversationId;

use crate::exit::Failure;

/// What stands in the file, or comes by stdin.
pub(super) fn read(file: &PathBuf) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::usage(format!("{} cannot be read: {error}", file.display()));
    if file.as_os_str() != "-" {
        return std::fs::read(file).map_err(failed);
    }
    let mut rows = Vec::new();
    std::io::stdin().lock().read_to_end(&mut rows).map_err(failed)?;
    Ok(rows)
}

/// The form of the rows, by how they begin. Ids alone get the heading that they lack.
pub(super) fn with_form(rows: Vec<u8>) -> (&'static str, Vec<u8>) {
    let begin = rows.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&rows).trim_ascii_start();
    match begin.first() {
        Some(b'[') => ("application/json", rows),
        Some(b'{') => ("application/x-ndjson", rows),
        Some(_) | None => {
            let first = begin.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
            let is_id = std::str::from_utf8(first).is_ok_and(|first| first.parse::<ConversationId>().is_ok());
            let rows = if is_id { [b"conversationId\n", begin].concat() } else { rows };
            ("text/csv", rows)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_rows_is_seen_from_their_first_sign() {
        for (rows, kind) in [
            (" \n[{}]", "application/json"),
            ("{}\n{}", "application/x-ndjson"),
            ("\u{feff}{}", "application/x-ndjson"),
            ("conversationId\nx", "text/csv"),
            ("", "text/csv"),
        ] {
            assert_eq!(with_form(rows.into()), (kind, rows.into()), "{rows:?}");
        }
    }

    #[test]
    fn ids_without_a_heading_get_theirs() {
        let ids = "  0b8e2b7e-8c0f-4b6d-9d55-3f2a1c9e7d10\r\n1b8e2b7e-8c0f-4b6d-9d55-3f2a1c9e7d10\n";
        let (form, rows) = with_form(ids.into());
        assert_eq!(form, "text/csv");
        assert_eq!(String::from_utf8(rows).unwrap(), format!("conversationId\n{}", ids.trim_start()));
        let with_more = "0b8e2b7e-8c0f-4b6d-9d55-3f2a1c9e7d10,x\n";
        assert_eq!(with_form(with_more.into()).1, with_more.as_bytes(), "the server says what is missing");
    }
}
