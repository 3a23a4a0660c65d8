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

/// The form of the rows, by the first line that says something. Blank lines and those that begin with `#` are passed over, as the
/// server does, so the rows go as they are: it then names the lines of the file.
pub(super) fn form_of(rows: &[u8]) -> &'static str {
    let rows = rows.strip_prefix(b"\xef\xbb\xbf").unwrap_or(rows);
    let first = rows.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first =
        first.filter(|line| !line.starts_with(b"#")).find(|line| !line.is_empty()).unwrap_or_default();
    let is_id = || std::str::from_utf8(first).is_ok_and(|first| first.parse::<ConversationId>().is_ok());
    match first.first() {
        Some(b'[') => "application/json",
        Some(b'{') => "application/x-ndjson",
        Some(_) if is_id() => "text/plain",
        Some(_) | None => "text/csv",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_rows_is_seen_from_the_first_line_that_says_something() {
        let id = "0b8e2b7e-8c0f-4b6d-9d55-3f2a1c9e7d10";
        for (rows, kind) in [
            (" \n[{}]", "application/json"),
            ("{}\n{}", "application/x-ndjson"),
            ("\u{feff}{}", "application/x-ndjson"),
            ("# [stuck]\n\n  # since noon\n{}", "application/x-ndjson"),
            ("conversationId\nx", "text/csv"),
            ("", "text/csv"),
            (id, "text/plain"),
            (&format!("\u{feff}# stuck\r\n\r\n  {id}\r\nx\r\n"), "text/plain"),
            // The server says what is missing.
            (&format!("{id},x\n"), "text/csv"),
        ] {
            assert_eq!(form_of(rows.as_bytes()), kind, "{rows:?}");
        }
    }
}
