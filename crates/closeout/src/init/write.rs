//! Writing a kit: to stdout, or into a folder, where nothing is overwritten unless that is wanted.

use std::{fs::OpenOptions, io::Write as _, path::Path};

use serde_json::json;

use super::kit::File;
use crate::{
    exit::{Exit, Failure},
    output::{self, Form, Voice},
};

/// Writes the files one after the other, each under its name.
///
/// # Errors
///
/// When stdout cannot be written.
pub(super) fn to_stdout(files: &[File], voice: &Voice) -> Result<(), Failure> {
    let told: Vec<_> = files.iter().map(|file| json!({ "name": file.name, "text": file.text })).collect();
    output::write(&match voice.form {
        Form::Json => output::pretty(&json!({ "files": told })),
        Form::Ndjson => told.iter().map(|file| format!("{file}\n")).collect(),
        Form::Table | Form::Wide | Form::Csv | Form::Id => {
            let all: Vec<_> =
                files.iter().map(|file| format!("# ===== {} =====\n\n{}", file.name, file.text)).collect();
            all.join("\n")
        }
    })?;
    voice.note("written to stdout; --out DIR writes files that Terraform takes");
    Ok(())
}

/// Writes the files into a folder, which is made.
///
/// # Errors
///
/// When one is there and `overwrite` is not given: then none is written; when one cannot be written.
pub(super) fn into(folder: &Path, files: &[File], overwrite: bool) -> Result<(), Failure> {
    let there = files.iter().map(|file| folder.join(file.name)).find(|path| path.exists());
    if let (Some(path), false) = (there, overwrite) {
        return Err(Failure::new(
            Exit::Conflict,
            format!("{} is there already, and nothing was written", path.display()),
        )
        .fix("name another folder with --out, or overwrite with --force"));
    }
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::usage(format!("{} cannot be made: {error}", folder.display())))?;
    for file in files {
        let path = folder.join(file.name);
        let mut how = OpenOptions::new();
        // Without leave to overwrite, a file that came in between is left alone too.
        how.write(true).create_new(!overwrite).create(overwrite).truncate(overwrite);
        how.open(&path)
            .and_then(|mut open| open.write_all(file.text.as_bytes()))
            .map_err(|error| Failure::usage(format!("{} cannot be written: {error}", path.display())))?;
    }
    Ok(())
}

/// Tells what was written: a path a line.
///
/// # Errors
///
/// When stdout cannot be written.
pub(super) fn tell(folder: &Path, files: &[File], voice: &Voice) -> Result<(), Failure> {
    let paths: Vec<_> = files.iter().map(|file| folder.join(file.name).display().to_string()).collect();
    output::write(&match voice.form {
        Form::Json => output::pretty(&json!({ "files": paths })),
        Form::Ndjson => paths.iter().map(|path| format!("{}\n", json!({ "name": path }))).collect(),
        Form::Table | Form::Wide | Form::Csv | Form::Id => {
            paths.iter().map(|path| format!("{path}\n")).collect()
        }
    })?;
    voice.note(format_args!(
        "next: terraform -chdir={} init, plan and apply; docs/setup-genesys.md goes through it",
        folder.display()
    ));
    Ok(())
}
