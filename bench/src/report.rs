//! The report as one table for people.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use crate::measure::LoadFigures;
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
    row("closures per second, 256 unfinished", &|f| Some(format!("{:.0}", f.at_256.outcome.per_second)));
    row("p50 / p99 / max at 256, ms", &|f| Some(latency(&f.at_256)));
    row("p50 / p99 / max at 1, ms", &|f| Some(latency(&f.at_1)));
    row("the same at 256 with ?wait=30s, ms", &|f| f.at_256_long_poll.as_ref().map(latency));
    row("the same at 1 with ?wait=30s, ms", &|f| f.at_1_long_poll.as_ref().map(latency));
    row("CPU seconds per 1,000 closures at 256", &|f| Some(format!("{:.3}", f.at_256.cpu_seconds_per_1000)));
    let database = report.service.as_ref().and_then(|figures| figures.at_256.database_cpu_seconds_per_1000);
    if database.is_some() {
        row("… of the database's processes", &|f| {
            Some(format!("{:.3}", f.at_256.database_cpu_seconds_per_1000?))
        });
    }
    row("peak memory at 256, MiB", &|f| Some(mebibytes(f.at_256.peak_resident)));
    row("calls per closure", &|f| Some(calls_per_closure(f)));
    if let (Some(ceiling), Some(exchanges)) = (report.share_of_ceiling, report.share_of_exchanges) {
        table.add_row([
            "as fast as these at 256".to_owned(),
            NONE.to_owned(),
            format!("{:.0} %", ceiling * 100.0),
            format!("{:.0} %", exchanges * 100.0),
        ]);
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
         the stub sends each webhook {:.1} ms after the participant's close (mean of the bare exchanges' run: {:.2} ms)\n",
        machine.cpu,
        machine.cores,
        machine.memory_mib,
        machine.kernel,
        machine.date,
        machine.load_average_before,
        report.webhook_delay_ms,
        report.bare.proof.stub.mean_webhook_delay_us as f64 / 1_000.0,
    );
    text.push_str(
        "ceiling: the bare exchanges, and four fully synced writes a closure that share transactions\n\
         * of a new process that has read them / of the one that accepted them; each with its share of filled caches\n",
    );
    for broken in &report.broken_promises {
        text.push_str("BROKEN  ");
        text.push_str(broken);
        text.push('\n');
    }
    text
}

fn latency(load: &LoadFigures) -> String {
    let latency = &load.outcome.latency;
    format!("{:.1} / {:.1} / {:.1}", latency.p50_ms, latency.p99_ms, latency.max_ms)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

fn calls_per_closure(figures: &SubjectFigures) -> String {
    let stub = &figures.proof.stub;
    let calls = stub.reads + stub.participant_closes + stub.wrapper_closes;
    format!("{:.3}", calls as f64 / figures.proof.requested.max(1) as f64)
}

fn or_none(text: Option<String>) -> String {
    text.unwrap_or_else(|| NONE.to_owned())
}
