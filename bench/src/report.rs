//! The report as one table for people.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use crate::driver::Latency;
use crate::measure::{LoadFigures, Proof};
use crate::run::{Report, SubjectFigures};

/// What stands where there is no figure.
const NONE: &str = "–";

/// Writes the table and, below it, the machine and every broken promise.
pub fn table(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["figure", "closeout", "ceiling", "bare HTTP"]);
    for column in [1, 2, 3] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut row = |name: &str, figure: &dyn Fn(&SubjectFigures) -> Option<String>| {
        let service = report.service.as_ref().and_then(figure);
        let others = [&report.bare_durable, &report.bare].map(|figures| or_none(figure(figures)));
        table.add_row([name.to_owned(), or_none(service)].into_iter().chain(others));
    };
    row("closures per second, 256 unfinished", &|f| {
        Some(format!("{:.0}", f.at_256.median(|load| load.outcome.per_second)))
    });
    row("… slowest to fastest turn", &|f| {
        let (slowest, fastest) = f.at_256.range(|load| load.outcome.per_second)?;
        Some(format!("{slowest:.0} to {fastest:.0}"))
    });
    row("p50 / p99 / max at 256, ms", &|f| {
        let median = |of: fn(&Latency) -> f64| f.at_256.median(|load| of(&load.outcome.latency));
        let (_, longest) = f.at_256.range(|load| load.outcome.latency.max_ms)?;
        Some(latency(median(|one| one.p50_ms), median(|one| one.p99_ms), longest))
    });
    let latency = |load: &LoadFigures| {
        let Latency { p50_ms, p99_ms, max_ms } = load.outcome.latency;
        latency(p50_ms, p99_ms, max_ms)
    };
    row("p50 / p99 / max at 1, ms", &|f| Some(latency(&f.at_1)));
    row("the same at 256 with ?wait=30s, ms", &|f| f.at_256_long_poll.as_ref().map(latency));
    row("the same at 1 with ?wait=30s, ms", &|f| f.at_1_long_poll.as_ref().map(latency));
    row("CPU seconds per 1,000 closures at 256", &|f| {
        Some(format!("{:.3}", f.at_256.median(|load| load.cpu_seconds_per_1000)))
    });
    let of_database = |load: &LoadFigures| load.database_cpu_seconds_per_1000.unwrap_or(f64::NAN);
    if report.service.as_ref().is_some_and(|figures| !figures.at_256.median(of_database).is_nan()) {
        row("… of the database's processes", &|f| {
            Some(f.at_256.median(of_database))
                .filter(|seconds| !seconds.is_nan())
                .map(|seconds| format!("{seconds:.3}"))
        });
    }
    row("peak memory at 256, MiB", &|f| {
        Some(format!("{:.1}", f.at_256.median(|load| load.peak_resident as f64) / f64::from(1 << 20)))
    });
    row("calls per closure", &|f| Some(calls_per_closure(f)));
    if let (Some(ceiling), Some(exchanges)) = (report.share_of_ceiling, report.share_of_exchanges) {
        table.add_row([
            "as fast as these at 256, turn by turn".to_owned(),
            NONE.to_owned(),
            format!("{:.0} %", ceiling * 100.0),
            format!("{:.0} %", exchanges * 100.0),
        ]);
    }
    if let Some(turns) = &report.other_ceiling {
        let per_second = format!("{:.0}", turns.median(|load| load.outcome.per_second));
        table.add_row(["other ceiling, closures per second".to_owned(), NONE.to_owned(), per_second]);
        let share = report.share_of_other_ceiling.map(|share| format!("{:.0} %", share * 100.0));
        table.add_row(["as fast as that, turn by turn".to_owned(), NONE.to_owned(), or_none(share)]);
    }
    add_waiting(&mut table, report);
    add_kills(&mut table, report);
    format!("{table}\n{}", below(report))
}

fn add_waiting(table: &mut Table, report: &Report) {
    for figures in &report.waiting {
        let n = figures.waiting;
        let mut row = |name: String, value: String| {
            table.add_row([name, value]);
        };
        row(
            format!("memory per closure, {n} waiting, bytes *"),
            format!("{:.0} / {:.0}", figures.bytes_per_closure, figures.grown_per_closure),
        );
        row(format!("kill -9 to ready, {n} waiting, s"), format!("{:.2}", figures.ready_after_seconds));
        row(format!("idle CPU, {n} waiting, % of a core"), format!("{:.2}", figures.idle_cpu_percent));
        row(format!("kill -9 to all closed, {n} waiting, s"), format!("{:.2}", figures.closed_after_seconds));
    }
}

fn add_kills(table: &mut Table, report: &Report) {
    let Some(figures) = &report.kills else { return };
    let stub = &figures.proof.stub;
    let repeated = stub.repeated_participant_closes + stub.repeated_wrapper_closes;
    let lost = figures.proof.store.as_ref().map_or(0, |store| store.lost);
    let mut row = |name: String, value: String| {
        table.add_row([name, value]);
    };
    let kills = figures.kills;
    row(format!("closures under {kills} × kill -9"), figures.outcome.requested.to_string());
    row("… lost / closed early / calls repeated".to_owned(), {
        format!("{lost} / {} / {repeated}", stub.wrapper_closes_before_webhook)
    });
    row("… all closed after the load, s".to_owned(), format!("{:.1}", figures.drained_after_seconds));
}

fn below(report: &Report) -> String {
    let machine = &report.machine;
    let mut text = format!(
        "{} · {} cores · {} MiB · Linux {} · {} · load before {}\n\
         the stub sends each webhook {:.1} ms after the participant's close (mean of the loads of the bare exchanges: {:.2} ms)\n",
        machine.cpu,
        machine.cores,
        machine.memory_mib,
        machine.kernel,
        machine.date,
        machine.load_average_before,
        report.webhook_delay_ms,
        report.bare.at_256.mean_webhook_delay_ms().unwrap_or(f64::NAN),
    );
    text.push_str(
        "at 256: medians of loads of each program in turn, each by a new process, and the longest of all; shares turn by turn, of which the median\n\
         ceiling: the bare exchanges, and four fully synced writes a closure that share transactions\n\
         * of a new process that has read them / of the one that accepted them; each with its share of filled caches\n",
    );
    for broken in &report.broken_promises {
        text.push_str("BROKEN  ");
        text.push_str(broken);
        text.push('\n');
    }
    text
}

fn latency(p50_ms: f64, p99_ms: f64, max_ms: f64) -> String {
    format!("{p50_ms:.1} / {p99_ms:.1} / {max_ms:.1}")
}

fn calls_per_closure(figures: &SubjectFigures) -> String {
    let calls = |proof: &Proof| proof.stub.reads + proof.stub.participant_closes + proof.stub.wrapper_closes;
    let (calls, requested) = figures
        .proofs()
        .fold((0, 0), |(made, requested), proof| (made + calls(proof), requested + proof.requested));
    format!("{:.3}", calls as f64 / requested.max(1) as f64)
}

fn or_none(text: Option<String>) -> String {
    text.unwrap_or_else(|| NONE.to_owned())
}
