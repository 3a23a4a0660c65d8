//! `[traces]`: where traces of closures are sent, and which.

use genesys_client::ClientConfig;
use traces::{Place, Setup};

use super::{environment::Variables, layers::Reader};

/// Reads the table; `clients` say where the calls of each organisation go.
pub(super) fn read<'a>(
    reader: &mut Reader<'_>,
    variables: &Variables,
    clients: impl Iterator<Item = &'a ClientConfig>,
) -> Setup {
    let given = reader.secrets("traces.headers", variables);
    let headers = traces::headers(&given).unwrap_or_else(|error| {
        reader.refuse("traces.headers", format_args!("cannot be used: {error}"));
        Setup::default().headers
    });
    let place = |client: &ClientConfig| Some((client.organisation.clone(), Place::of(client.region.api())?));
    Setup {
        endpoint: reader.parsed("traces.endpoint", traces::endpoint),
        headers,
        service: reader.text("traces.service_name").unwrap_or_default(),
        percent: u8::try_from(reader.count("traces.sample_percent")).unwrap_or(100),
        trouble_always: reader.flag("traces.trouble_always"),
        timeout: reader.duration("traces.timeout").unwrap_or_default(),
        keep: reader.duration("traces.keep").unwrap_or_default(),
        places: clients.filter_map(place).collect(),
    }
}
