//! Serves a simulator until interrupted. Its address is the first line on stdout.

use clap::Parser;
use genesys_simulator::{
    BodyFormat, ChaosSpec, Dialect, FaultRule, Preset, Quota, Signing, Simulator, WebhookAdapter,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A stand-in for Genesys Cloud.
#[derive(Parser)]
struct Options {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: String,
    /// The seed of every draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Requests a minute and token; 0 sets no limit.
    #[arg(long, default_value_t = 300)]
    requests_per_minute: u32,
    /// A preset that strikes every conversation; may be given several times.
    #[arg(long)]
    chaos: Vec<String>,
    /// A dialect to speak beside the platform's API.
    #[arg(long)]
    dialect: Option<String>,
    /// Where to post events, signed as `hub-sha256-hex`.
    #[arg(long, requires = "webhook_secret")]
    webhook: Option<String>,
    /// The secret of the webhook.
    #[arg(long, env = "SIMULATOR_WEBHOOK_SECRET", hide_env_values = true)]
    webhook_secret: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let mut chaos = ChaosSpec::none();
    for name in &options.chaos {
        let preset = Preset::named(name).ok_or_else(|| format!("there is no preset `{name}`"))?;
        chaos = chaos.with(FaultRule::new(preset));
    }
    let quota = match options.requests_per_minute {
        0 => Quota::unlimited(),
        requests => Quota::per_minute(requests),
    };
    let mut builder = Simulator::builder().seed(options.seed).quota(quota).chaos(chaos);
    if let Some(name) = &options.dialect {
        builder =
            builder.dialect(Dialect::named(name).ok_or_else(|| format!("there is no dialect `{name}`"))?);
    }
    if let (Some(url), Some(secret)) = (options.webhook, options.webhook_secret) {
        let signing = Signing::HubSha256Hex { secret: secret.into() };
        builder = builder.webhook(WebhookAdapter::new("webhook", url, signing).format(BodyFormat::Closeout));
    }
    let simulator = builder.build()?;
    let listener = TcpListener::bind(&options.listen).await?;
    println!("http://{}", listener.local_addr()?);
    let stop = CancellationToken::new();
    let interrupted = stop.clone();
    tokio::spawn(async move {
        // When the signal cannot be waited for, the process ends without grace on the first one.
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.cancel();
        }
    });
    simulator.serve(listener, stop).await?;
    Ok(())
}
