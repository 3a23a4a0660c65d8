//! `closeout doctor`: looks at everything that a service needs, and says how to put right what is wrong.
//!
//! ```text
//!  look (files, port, service, Genesys) ─► Findings ─► judge (pure) ─► Report ─► table, JSON, exit code
//! ```
//!
//! It takes no lock and makes no file, and Genesys it asks only what reads, but for a channel that shows which topics are refused. A secret is never printed.

mod findings;
mod judge;
mod look;
mod report;

use clap::Args;

use crate::{
    cli::ConfigArgs,
    client::Place,
    config::{FromCommandLine, Variables},
    exit::{Exit, Failure},
    output::{self, Voice},
};

const HELP: &str = "Examples:
  closeout doctor
  closeout doctor --online --config /etc/closeout/closeout.toml
  closeout doctor --online -o json

It reads the configuration as `closeout serve` does, with the environment, and changes nothing: no lock is \
taken and no file is made, so the service may run meanwhile. Of a service that runs it asks /readyz, and with a \
key of the role read (CLOSEOUT_TOKEN, --token-file) when each hook last heard a proven sender and why it last \
refused one.

With --online these calls go to each configured organisation, each once, with a token of its own. None writes but \
the last:
  HEAD <login host>/, HEAD <API host>/
      reachable (DNS, TLS) and the clock; no credentials are sent
  POST /oauth/token
      a token by client credentials
  GET /api/v2/tokens/me
      organisation and OAuth client
  GET /api/v2/authorization/subjects/me?includeFullRoles=true
      roles and their permissions; needs none itself
  GET /api/v2/conversations/<random id>
      404 with conversation:communication:view, 403 without
  GET /api/v2/organizations/limits/namespaces/platform.api
      the rate limits that hold
  GET /api/v2/webdeployments/deployments?expand=configuration
      whether guests are told of the end; not checked without webDeployments:deployment:view
  GET /api/v2/webdeployments/deployments/<id>/configurations
      the same for at most 5 deployments whose setting the list leaves out
  GET /api/v2/routing/wrapupcodes
      what the configured name of a wrap-up code means, where there is one
  POST /api/v2/notifications/channels, PUT /api/v2/notifications/channels/<id>/subscriptions
      which topics of kind = \"notifications\" are refused, and for which permission; nobody listens on that channel, \
and it ends by itself
and of each queue of [[confirm]] it asks GetQueueAttributes, which takes no message. The provider of [console.oidc] is \
asked for what it publishes, and for tokens for a code that is none, which shows whether it knows the client.

Exit codes: 0 nothing is wrong (there may be warnings, and things that could not be checked); 2 the configuration, \
the files or the clock of this machine; 10 Genesys or a queue cannot be reached; 4 the credential or a permission. When \
several are wrong, the first of these counts.";

/// What to check.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct DoctorArgs {
    /// Call the configured Genesys too: token, permissions, limits, Messenger setting, clock
    #[arg(long)]
    online: bool,
    /// Where the configuration is
    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the command.
///
/// # Errors
///
/// When stdout cannot be written; what is wrong with the installation is no error of the command.
pub async fn run(args: &DoctorArgs, place: &Place, voice: &Voice) -> Result<Exit, Failure> {
    let variables = Variables::of_this_process();
    let from = FromCommandLine::from(&args.config);
    let findings = look::at_everything(&from, args.online, place, &variables).await;
    let report = judge::judge(&findings);
    output::write(&report.write(voice))?;
    voice.note(report.summary());
    Ok(report.exit())
}
