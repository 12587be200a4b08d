//! Ends by `E2E_CODE` or `E2E_SIGNAL` when it hears `E2E_AT`: `stop` or `quit`.

use drover_e2e::raw::Link;
use drover_proto::latest::master_frame::Body;

fn main() -> std::process::ExitCode {
    let at = drover_e2e::setting::<String>("E2E_AT").expect("E2E_AT is set");
    let mut link = Link::started();
    while let Some(body) = link.hear() {
        if matches!((at.as_str(), &body), ("stop", Body::Stop(_)) | ("quit", Body::Quit(_))) {
            break;
        }
        link.obey(&body);
    }
    drover_e2e::end_as_told()
}
