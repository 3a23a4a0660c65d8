//! The recorder of metrics behind `/metrics`.

use std::{sync::OnceLock, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of histograms in seconds: from half a millisecond, a local commit, to ten minutes, a late confirmation.
const SECONDS: [f64; 16] =
    [0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0];

/// Upper bounds of all others, which count: what shares a transaction, from one write to the most that do. With none, the exporter would
/// keep samples of the last minutes to tell quantiles of, a megabyte of them under load, and call the metric a summary.
const COUNTS: [f64; 11] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0];

/// How often samples are moved into their histograms when nobody reads the page. Until then each takes 24 bytes: at 2,000 closures a
/// second that is 200 KB.
const UPKEEP: Duration = Duration::from_secs(1);

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Installs the recorder of this process, once, and keeps it in order. Must run inside the runtime.
pub fn recorder() -> PrometheusHandle {
    RECORDER
        .get_or_init(|| {
            let recorder = builder().build_recorder();
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("another recorder of metrics was installed before: /metrics stays empty");
            }
            metrics::gauge!("closeout_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            let upkeep = handle.clone();
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(UPKEEP).await;
                    upkeep.run_upkeep();
                }
            });
            handle
        })
        .clone()
}

fn builder() -> PrometheusBuilder {
    PrometheusBuilder::new()
        .set_buckets(&COUNTS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS))
        .expect("the lists of bounds are not empty")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_measured_comes_in_buckets() {
        let recorder = builder().build_recorder();
        let handle = recorder.handle();
        let names = [
            "closeout_store_writes_per_transaction",
            "closeout_store_write_duration_seconds",
            "closeout_time_to_confirm_seconds",
            "closeout_genesys_request_duration_seconds",
            "whatever_else",
        ];
        metrics::with_local_recorder(&recorder, || {
            for name in names {
                metrics::histogram!(name).record(3.0);
            }
        });
        let page = handle.render();
        for name in names {
            assert!(page.contains(&format!("# TYPE {name} histogram\n")), "{page}");
        }
        assert!(page.contains("closeout_store_writes_per_transaction_bucket{le=\"2\"} 0\n"), "{page}");
        assert!(page.contains("closeout_store_writes_per_transaction_bucket{le=\"5\"} 1\n"), "{page}");
        assert!(page.contains("closeout_time_to_confirm_seconds_bucket{le=\"2.5\"} 0\n"), "{page}");
    }
}
