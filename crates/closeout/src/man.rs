//! `closeout man`: the manual pages, made from the words of `--help`.
//!
//! A page for the program and one for each of its commands: `closeout-ghosts-list.1` is that of `closeout ghosts list`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Args, Command, ValueHint};
use clap_mangen::Man;

use crate::{
    exit::{Exit, Failure},
    output::{self, Voice},
};

/// The longest line that ends in a colon and is a heading.
const LONGEST_HEADING: usize = 30;

/// What an apostrophe is to groff and to others.
const DEFINITION: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// Where to write the pages.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  closeout man | man -l -
  closeout man ~/.local/share/man/man1
  man closeout-ghosts-list

Without a folder the page of the program is written to stdout. The Debian package brings all of them.")]
pub struct ManArgs {
    /// Write the pages of the program and of every command into this folder; pages there are replaced
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: Option<PathBuf>,
}

/// Writes the pages.
///
/// # Errors
///
/// For a form other than the usual one, and when stdout, the folder or a page cannot be written.
pub fn run(args: &ManArgs, mut program: Command, voice: &Voice) -> Result<Exit, Failure> {
    output::only_as_text(voice, "a manual page is text")?;
    build(&mut program);
    let Some(folder) = &args.folder else {
        output::write(&page(&program))?;
        return Ok(Exit::Done);
    };
    fs::create_dir_all(folder)
        .map_err(|error| Failure::usage(format!("{} cannot be made: {error}", folder.display())))?;
    let pages = all(&program);
    for (name, text) in &pages {
        write_whole(&folder.join(name), text).map_err(|error| {
            Failure::usage(format!("{} cannot be written: {error}", folder.join(name).display()))
        })?;
    }
    voice.note(format_args!("{} pages are in {}", pages.len(), folder.display()));
    Ok(Exit::Done)
}

/// Puts a page in the place of another in one step, as `man` may be reading it.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let beside = tempfile::NamedTempFile::new_in(path.parent().unwrap_or_else(|| Path::new(".")))?;
    fs::write(&beside, text)?;
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(&beside, permissions)?;
    beside.persist(path)?;
    Ok(())
}

/// Fills in what clap leaves out until it parses. A `help` below every command has no page.
fn build(program: &mut Command) {
    *program = std::mem::take(program).disable_help_subcommand(true);
    program.build();
}

/// Every page with its file name.
fn all(command: &Command) -> Vec<(String, String)> {
    let below = command.get_subcommands().filter(|sub| !sub.is_hide_set()).flat_map(all);
    std::iter::once((file_name(command), page(command))).chain(below).collect()
}

fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn file_name(command: &Command) -> String {
    format!("{}.1", name(command))
}

fn page(command: &Command) -> String {
    let page = Man::new(command.clone());
    let mut text = Vec::new();
    let written = page
        .render_name_section(&mut text)
        .and_then(|()| page.render_synopsis_section(&mut text))
        .and_then(|()| page.render_description_section(&mut text))
        .and_then(|()| page.render_options_section(&mut text));
    debug_assert!(written.is_ok(), "memory takes everything");
    // Every section of clap_mangen begins with the same definition, which the title has once.
    let made = String::from_utf8_lossy(&text).replace(DEFINITION, "");
    let mut text = title(command) + &made.replace("\n.br\n\n.br\n", "\n\n");
    text += &commands(command);
    text += &command.get_after_help().map(|help| sections(&help.to_string())).unwrap_or_default();
    text += &see_also(command);
    text
}

/// Name, section, no date (the same program makes the same pages), version, manual. clap_mangen would leave the empty date out,
/// and what follows would stand in its place.
fn title(command: &Command) -> String {
    let name = name(command).to_uppercase();
    let version = env!("CARGO_PKG_VERSION");
    format!("{DEFINITION}.TH \"{}\" \"1\" \"\" \"closeout {version}\" \"Closeout\"\n", escaped(&name))
}

/// The commands below, each with its page.
fn commands(command: &Command) -> String {
    let below = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    let entries: String = below
        .map(|sub| {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            format!(".TP\n\\fB{}\\fR(1)\n{}\n", escaped(name(sub)), line(&about))
        })
        .collect();
    if entries.is_empty() { entries } else { format!(".SH COMMANDS\n{entries}") }
}

fn see_also(command: &Command) -> String {
    let own = name(command);
    let above = own.rsplit_once('-').map(|(above, _)| above.to_owned());
    let above = above.unwrap_or_else(|| "closeout-serve".to_owned());
    let page = |name: &str| format!("\\fB{}\\fR(1)", escaped(name));
    let others = if above == "closeout" || own == "closeout" {
        page(&above)
    } else {
        format!("{}, {}", page(&above), page("closeout"))
    };
    format!(".SH SEE ALSO\n{others}\n")
}

/// The text below the options: short lines that end in a colon become headings, what is indented stays as it is, and the rest
/// are paragraphs.
fn sections(help: &str) -> String {
    let mut text = String::new();
    let (mut literal, mut in_notes, mut gap) = (false, false, false);
    for said in help.lines() {
        let indented = said.starts_with("  ");
        if literal && !indented && !said.is_empty() {
            text += ".fi\n.RE\n";
            literal = false;
        }
        if std::mem::take(&mut gap) && literal && indented {
            text += ".sp\n";
        }
        match said.strip_suffix(':').filter(|said| !said.is_empty() && said.len() <= LONGEST_HEADING) {
            Some(heading) if !indented => {
                text += &format!(".SH {}\n", line(&heading.to_uppercase()));
                in_notes = false;
            }
            Some(_) | None if said.is_empty() => gap = true,
            Some(_) | None if indented => {
                if !literal {
                    text += ".RS 4\n.nf\n";
                    literal = true;
                }
                text += &format!("{}\n", line(&said[2..]));
            }
            Some(_) | None => {
                text += if in_notes { ".PP\n" } else { ".SH NOTES\n" };
                in_notes = true;
                text += &format!("{}\n", line(said));
            }
        }
    }
    if literal {
        text += ".fi\n.RE\n";
    }
    text
}

/// A line of text, which no request of roff is.
fn line(text: &str) -> String {
    let guard = if text.starts_with(['.', '\'']) { "\\&" } else { "" };
    format!("{guard}{}", escaped(text))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\e"),
            '-' => escaped.push_str("\\-"),
            '\'' => escaped.push_str("\\(aq"),
            '`' => escaped.push_str("\\(ga"),
            '^' => escaped.push_str("\\(ha"),
            '~' => escaped.push_str("\\(ti"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Write as _, process::Stdio};

    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    fn program() -> Command {
        let mut program = Cli::command();
        build(&mut program);
        program
    }

    fn commands_below(command: &Command, path: &str, found: &mut Vec<(String, Command)>) {
        found.push((path.to_owned(), command.clone()));
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            commands_below(sub, &format!("{path}-{}", sub.get_name()), found);
        }
    }

    #[test]
    fn every_command_has_a_page_that_names_all_its_options() {
        let mut commands = Vec::new();
        commands_below(&program(), "closeout", &mut commands);
        let pages: BTreeMap<String, String> = all(&program()).into_iter().collect();
        assert_eq!(pages.len(), commands.len());
        assert!(pages.len() > 60, "{}", pages.len());
        for (path, command) in commands {
            let page = &pages[&format!("{path}.1")];
            for option in command.get_opts().filter_map(|option| option.get_long()) {
                assert!(page.contains(&escaped(&format!("--{option}"))), "{path} does not say --{option}");
            }
            for sub in command.get_subcommands() {
                assert!(page.contains(&escaped(&format!("{path}-{}", sub.get_name()))), "{path}");
            }
            assert!(page.contains(".SH SEE ALSO"), "{path}");
        }
    }

    #[test]
    fn examples_keep_their_lines_and_paragraphs_follow() {
        let text = sections("Examples:\n  closeout a -x \\\n  .b\n\nIt's so.\nAnd 1:\n  0  done");
        assert_eq!(
            text,
            ".SH EXAMPLES\n.RS 4\n.nf\ncloseout a \\-x \\e\n\\&.b\n.fi\n.RE\n.SH NOTES\nIt\\(aqs so.\n.SH AND 1\n.RS 4\n.nf\n0  \
             done\n.fi\n.RE\n"
        );
    }

    #[test]
    fn groff_has_nothing_to_say_about_the_pages() {
        for (name, text) in all(&program()) {
            let started = std::process::Command::new("groff")
                .args(["-k", "-man", "-ww", "-Tutf8"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn();
            // Not every machine has it; those that build the package do.
            let Ok(mut groff) = started else { return };
            groff.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            let ended = groff.wait_with_output().unwrap();
            assert!(ended.status.success(), "{name}");
            assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{name}");
            assert!(!ended.stdout.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_folder_gets_all_pages_and_old_ones_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("man1");
        let args = ManArgs { folder: Some(out.clone()) };
        let quiet = Voice { quiet: true, ..Voice::default() };
        run(&args, Cli::command(), &quiet).unwrap();
        fs::write(out.join("closeout.1"), "old").unwrap();
        run(&args, Cli::command(), &quiet).unwrap();
        assert!(fs::read_to_string(out.join("closeout.1")).unwrap().contains(".TH \"CLOSEOUT\" \"1\""));
        assert_eq!(fs::read_dir(&out).unwrap().count(), all(&program()).len());
    }
}
