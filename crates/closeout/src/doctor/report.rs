//! The report: checks with their verdicts, as table or JSON, and the exit code that follows from them.

use serde_json::{Value, json};

use crate::{
    exit::Exit,
    output::{Column, Form, Listing, Voice},
};

/// What came out of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be.
    Ok,
    /// It works, and could be better or will not last.
    Warning,
    /// It does not work.
    Wrong(Fault),
    /// It could not be found out.
    NotChecked,
}

/// Whose fault something is: the exit code follows from it. The first of several counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The configuration, the files or the clock of this machine.
    Machine,
    /// Genesys cannot be reached.
    Unreachable,
    /// The credential, or a permission.
    Access,
}

impl Fault {
    const fn exit(self) -> Exit {
        match self {
            Self::Machine => Exit::Usage,
            Self::Unreachable => Exit::Unreachable,
            Self::Access => Exit::NotAllowed,
        }
    }
}

impl Verdict {
    /// The word for programs.
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Wrong(_) => "wrong",
            Self::NotChecked => "not_checked",
        }
    }
}

/// One check: a sentence, and what to do where something is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was checked, as `store` or `permission`.
    pub name: &'static str,
    /// Of which organisation, hook or thing; empty where there is only one.
    pub about: String,
    /// What came out.
    pub verdict: Verdict,
    /// One sentence.
    pub what: String,
    /// What puts it right.
    pub fix: Option<String>,
}

impl Check {
    /// A check that came out well.
    pub fn ok(name: &'static str, what: impl Into<String>) -> Self {
        Self::new(name, Verdict::Ok, what)
    }

    /// A warning, with what to do.
    pub fn warning(name: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..Self::new(name, Verdict::Warning, what) }
    }

    /// Something that is wrong, with what puts it right.
    pub fn wrong(name: &'static str, fault: Fault, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..Self::new(name, Verdict::Wrong(fault), what) }
    }

    /// Something that could not be found out, with how to find out.
    pub fn not_checked(name: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..Self::new(name, Verdict::NotChecked, what) }
    }

    /// Says what it is about.
    #[must_use]
    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.about = about.into();
        self
    }

    fn new(name: &'static str, verdict: Verdict, what: impl Into<String>) -> Self {
        Self { name, about: String::new(), verdict, what: what.into(), fix: None }
    }

    fn as_json(&self) -> Value {
        let exit = match self.verdict {
            Verdict::Wrong(fault) => Some(fault.exit().code()),
            Verdict::Ok | Verdict::Warning | Verdict::NotChecked => None,
        };
        let about = (!self.about.is_empty()).then_some(&self.about);
        json!({
            "check": self.name, "about": about, "result": self.verdict.name(), "what": self.what, "fix": self.fix,
            "exit": exit,
        })
    }

    /// As a person reads it: the fix stands below the sentence.
    fn as_row(&self) -> Value {
        let fix = self.fix.as_ref().map(|fix| format!("\n  fix: {}", fix.replace('\n', "\n       ")));
        json!({
            "check": format!("{} {}", self.name, self.about).trim_end(),
            "result": self.verdict.name().replace('_', " "),
            "what": format!("{}{}", self.what, fix.unwrap_or_default()),
        })
    }
}

/// All checks, in the order in which they are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report(pub Vec<Check>);

impl Report {
    /// The exit code: that of the first fault in the order of [`Fault`]; warnings and what could not be checked are none.
    pub fn exit(&self) -> Exit {
        let faults = self.0.iter().filter_map(|check| match check.verdict {
            Verdict::Wrong(fault) => Some(fault),
            Verdict::Ok | Verdict::Warning | Verdict::NotChecked => None,
        });
        faults.min().map_or(Exit::Done, Fault::exit)
    }

    /// How many came out how, in one line.
    pub fn summary(&self) -> String {
        let count = |name| self.0.iter().filter(|check| check.verdict.name() == name).count();
        format!(
            "{} wrong, {} warning(s), {} not checked, {} ok",
            count("wrong"),
            count("warning"),
            count("not_checked"),
            count("ok")
        )
    }

    /// The report in the form that was asked for.
    pub fn write(&self, voice: &Voice) -> String {
        const FOR_PEOPLE: [Column; 3] =
            [Column::state("RESULT", "result"), Column::text("CHECK", "check"), Column::lines("", "what")];
        const FOR_PROGRAMS: [Column; 5] = [
            Column::text("RESULT", "result"),
            Column::text("CHECK", "check"),
            Column::text("ABOUT", "about"),
            Column::lines("WHAT", "what"),
            Column::lines("FIX", "fix"),
        ];
        let (columns, items): (&[Column], Vec<Value>) = match voice.form {
            Form::Table | Form::Wide => (&FOR_PEOPLE, self.0.iter().map(Check::as_row).collect()),
            Form::Json | Form::Ndjson | Form::Csv | Form::Id => {
                (&FOR_PROGRAMS, self.0.iter().map(Check::as_json).collect())
            }
        };
        Listing { columns, items: &items, id: "check" }.write(voice.form, voice.style)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(faults: &[Fault]) -> Report {
        let mut checks = vec![
            Check::ok("store", "It is good."),
            Check::warning("hook", "It is weak.", "Sign.").about("relay"),
            Check::not_checked("events", "Nobody knows.", "Look."),
        ];
        checks.extend(
            faults.iter().map(|fault| Check::wrong("token", *fault, "It is bad.", "Do this,\nthen that.")),
        );
        Report(checks)
    }

    #[test]
    fn the_exit_code_is_that_of_what_must_be_put_right_first() {
        assert_eq!(report(&[]).exit(), Exit::Done);
        assert_eq!(report(&[Fault::Access]).exit(), Exit::NotAllowed);
        assert_eq!(report(&[Fault::Access, Fault::Unreachable]).exit(), Exit::Unreachable);
        assert_eq!(report(&[Fault::Access, Fault::Unreachable, Fault::Machine]).exit(), Exit::Usage);
    }

    #[test]
    fn people_get_a_table_with_fixes_below() {
        let text = report(&[Fault::Access]).write(&Voice::default());
        assert_eq!(
            text,
            "RESULT       CHECK\n\
             ok           store       It is good.\n\
             warning      hook relay  It is weak.\n\
             \x20                          fix: Sign.\n\
             not checked  events      Nobody knows.\n\
             \x20                          fix: Look.\n\
             wrong        token       It is bad.\n\
             \x20                          fix: Do this,\n\
             \x20                               then that.\n"
        );
        assert_eq!(report(&[Fault::Access]).summary(), "1 wrong, 1 warning(s), 1 not checked, 1 ok");
    }

    #[test]
    fn programs_get_a_check_for_each_line() {
        let text = report(&[Fault::Access]).write(&Voice { form: Form::Ndjson, ..Voice::default() });
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            lines[1],
            json!({ "check": "hook", "about": "relay", "result": "warning", "what": "It is weak.", "fix": "Sign.",
                    "exit": null })
        );
        assert_eq!((&lines[2]["result"], &lines[3]["exit"]), (&json!("not_checked"), &json!(4)));
    }
}
