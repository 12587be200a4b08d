//! `drover demo`: workers of a built-in HTTP app; this program plays its own worker.

use drover_master::supervisor::Supervisor;
use drover_master::{Command, Master, Output};

use super::serve;
use crate::args::{DEMO_WORKER, DemoArgs, Global};
use crate::exit_status::ExitStatus;
use crate::output::message;

pub(super) async fn run(global: &Global, args: &DemoArgs) -> ExitStatus {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            message::error_text(&format!(
                "the path of this program, which is also the worker, can't be found: {error}"
            ));
            return ExitStatus::Failed;
        }
    };
    if let Err(error) = args.listen.parse::<drover_master::config::ListenAddr>() {
        message::error(&error);
        return ExitStatus::Usage;
    }
    let app = Master::builder("demo", Command::new(program).arg(DEMO_WORKER))
        .workers(args.workers.count())
        .listen("http", &args.listen)
        .output(Output::Prefixed { colours: message::colours() });
    let admin = match serve::admin(&args.admin) {
        Ok(admin) => admin,
        Err(status) => return status,
    };
    let name = args.name.clone().unwrap_or_else(|| format!("demo-{}", std::process::id()));
    let control = serve::control_path(global, name);
    let hints = [
        "  curl http://ADDR/          see who answers; /slow takes 2 s, so that you can watch it being drained".to_owned(),
        "  drover status              the workers; -w keeps it up to date".to_owned(),
        "  kill -9 PID                a worker, and it comes back".to_owned(),
        "  Ctrl-C                     ends it gracefully; again: hurries; again: kills".to_owned(),
    ];
    serve::run(global, Supervisor::builder().app(app), control, admin, None, &hints).await
}
