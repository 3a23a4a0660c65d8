//! A child process that is measured, can be killed, and never outlives the benchmark.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};
use tokio::process::{Child, Command};

/// How much of the end of a log is shown when a child has failed.
const LOG_TAIL: usize = 4_000;

/// How long a child that has nothing left to do may take to end when it is asked to.
const END_WITHIN: Duration = Duration::from_secs(30);

/// What to start, and where its output goes.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables added to its environment.
    pub environment: Vec<(String, String)>,
    /// The file that its standard output and error are appended to.
    pub log: PathBuf,
}

/// A running child. Dropping it kills it, and so does the end of this process, however that comes.
pub struct Process {
    child: Child,
    pid: u32,
    log: PathBuf,
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// User and system CPU time, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory, in bytes.
    pub resident: u64,
    /// The most resident memory so far, in bytes.
    pub peak_resident: u64,
}

impl Process {
    /// Starts a program through this one (see [`become_child`]).
    pub fn start(launch: &Launch) -> anyhow::Result<Self> {
        let own_program = std::env::current_exe().context("cannot find this program")?;
        let log = OpenOptions::new().create(true).append(true).open(&launch.log);
        let log = log.with_context(|| format!("cannot write {}", launch.log.display()))?;
        let errors = log.try_clone().context("cannot share the log")?;
        let child = Command::new(own_program)
            .arg("child")
            .arg("--parent")
            .arg(std::process::id().to_string())
            .arg("--")
            .arg(&launch.program)
            .args(&launch.arguments)
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", launch.program.display()))?;
        let pid = child.id().context("the child ended at once")?;
        Ok(Self { child, pid, log: launch.log.clone() })
    }

    /// Fails with the end of the log when the process has ended by itself.
    pub fn check_alive(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait().context("cannot ask for the state of the child")? {
            None => Ok(()),
            Some(status) => bail!("the process ended ({status}); the end of its log:\n{}", tail(&self.log)),
        }
    }

    /// Kills the process with SIGKILL and waits for its end.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("cannot kill the child")
    }

    /// Asks the process to end with SIGINT, and waits until it has; how it ended. Fails when it does not within [`END_WITHIN`].
    pub async fn end(&mut self) -> anyhow::Result<ExitStatus> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).context("no such process")?;
        self.check_alive()?;
        kill_process(pid, Signal::INT).context("cannot ask the child to end")?;
        let ended = tokio::time::timeout(END_WITHIN, self.child.wait()).await;
        let ended = ended.ok().with_context(|| format!("the child did not end within {END_WITHIN:?}"))?;
        ended.context("cannot wait for the child")
    }

    /// How many sockets the process holds open, those that it listens on too.
    pub fn sockets(&self) -> anyhow::Result<usize> {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.pid)).context("the process has ended")?;
        // One that was closed since has no name to read any more.
        let names = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        Ok(names.filter(|name| name.to_string_lossy().starts_with("socket:")).count())
    }

    /// Reads what the process has used, from `/proc`.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        let folder = PathBuf::from(format!("/proc/{}", self.pid));
        let stat = std::fs::read_to_string(folder.join("stat")).context("the process has ended")?;
        let status = std::fs::read_to_string(folder.join("status")).context("the process has ended")?;
        Ok(Usage {
            cpu_seconds: cpu_seconds(&stat, false).context("cannot read /proc/PID/stat")?,
            resident: kibibytes(&status, "VmRSS:").context("no VmRSS in /proc/PID/status")? * 1024,
            peak_resident: kibibytes(&status, "VmHWM:").context("no VmHWM in /proc/PID/status")? * 1024,
        })
    }
}

/// Ties this process to its parent's life and then becomes the given program; returns only on failure.
///
/// `parent` is the process that must be the parent: when it has already gone, nothing is started. The kernel
/// sends SIGKILL when the thread that started us ends; the benchmark starts its children from its main thread.
pub fn become_child(parent: u32, command: &[OsString]) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot tie the child to its parent")?;
    let actual = getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    ensure!(actual == Some(parent), "the parent has already gone");
    let (program, arguments) = command.split_first().context("no program named")?;
    let failed = std::process::Command::new(program).args(arguments).exec();
    Err(failed).with_context(|| format!("cannot start {}", Path::new(program).display()))
}

/// The user and system time of this process so far, in seconds.
pub fn own_cpu_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    cpu_seconds(&stat, false).context("cannot read /proc/self/stat")
}

/// Fields 14 and 15 of `/proc/PID/stat` (`man 5 proc`), counted behind the program's name, which may hold spaces; and fields 16 and
/// 17, the time of children that have ended, where that is wanted.
pub fn cpu_seconds(stat: &str, with_children: bool) -> Option<f64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let fields = behind_name.split_ascii_whitespace().skip(11).take(if with_children { 4 } else { 2 });
    let ticks = fields.map(str::parse::<f64>).sum::<Result<f64, _>>().ok()?;
    let a_second = u32::try_from(rustix::param::clock_ticks_per_second()).ok()?;
    Some(ticks / f64::from(a_second))
}

fn kibibytes(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn tail(log: &Path) -> String {
    let text = File::open(log).and_then(std::io::read_to_string).unwrap_or_default();
    let mut from = text.len().saturating_sub(LOG_TAIL);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_a_name_with_spaces_and_brackets() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194304 100 0 0 0 150 50 20 10 20 0 3 0 100 1 1";
        let ticks = f64::from(u32::try_from(rustix::param::clock_ticks_per_second()).unwrap());
        for (with_children, expected) in [(false, 200.0), (true, 230.0)] {
            let seconds = cpu_seconds(stat, with_children).unwrap();
            assert!((seconds - expected / ticks).abs() < 1e-9);
        }
    }

    #[test]
    fn memory_is_read_from_the_named_line() {
        let status = "Name:\tx\nVmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(1024));
        assert_eq!(kibibytes(status, "VmHWM:"), Some(2048));
        assert_eq!(kibibytes(status, "VmSwap:"), None);
    }

    #[test]
    fn a_child_without_its_parent_is_not_started() {
        let error = become_child(0, &["/bin/true".into()]).unwrap_err();
        assert_eq!(error.to_string(), "the parent has already gone");
    }
}
