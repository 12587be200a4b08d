//! `drover describe`: everything about apps and workers.

use super::{find, refusal::report};
use crate::args::{DescribeArgs, Global};
use crate::exit_status::ExitStatus;
use crate::output::{describe, json, message};

pub(super) async fn run(global: &Global, args: &DescribeArgs) -> ExitStatus {
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    let names: Vec<String> = args.names.iter().map(ToString::to_string).collect();
    match client.describe(&names).await {
        Ok(reply) => {
            let text = if args.json {
                json::description(&reply)
            } else {
                describe::description(&reply, message::is_stdout_coloured())
            };
            message::whole_result(&text)
        }
        Err(error) => report(&error),
    }
}
