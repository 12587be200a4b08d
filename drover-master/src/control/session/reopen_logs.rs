//! Log files of apps are opened again.

use drover_proto::latest::{Done, Error, ErrorCode, ReopenLogsRequest, control_response};

use super::{Gone, Session};
use crate::config::AppSpec;
use crate::machine::fleet;
use crate::process::reopen_files_of;

impl Session {
    pub(super) async fn reopen_logs(&mut self, seq: u64, request: &ReopenLogsRequest) -> Result<(), Gone> {
        let apps = match self.with_log_files(&request.names) {
            Ok(apps) => apps,
            Err(error) => return self.refuse(seq, error.code(), error.message).await,
        };
        tracing::info!(target: "drover::control", client = self.client, apps = apps.join(" "), "reopen-logs");
        apps.iter().for_each(|app| reopen_files_of(app));
        self.send(seq, false, control_response::Body::Done(Done::default())).await.map(drop)
    }

    /// The apps that these names mean, each of which has log files.
    fn with_log_files(&self, names: &[String]) -> Result<Vec<String>, Error> {
        let targets = self.targets(names)?;
        let refusal = |message| Error { code: ErrorCode::InvalidArgument.into(), message };
        if let Some(target) = targets.iter().find(|target| target.whom != fleet::Target::All) {
            let message =
                format!("log files are those of whole apps, and `{}` is none; nothing was done", target.name);
            return Err(refusal(message));
        }
        let described = self.supervisor.described();
        let has_files = |app: &str| {
            let has_dir = |spec: &AppSpec| spec.logs.as_ref().is_some_and(|logs| logs.dir.is_some());
            described.iter().any(|(_, spec)| *spec.name == *app && has_dir(spec))
        };
        if let Some(target) = targets.iter().find(|target| !has_files(&target.name)) {
            let message = format!(
                "`{}` has no log files: its description has no `logs.dir`; nothing was done",
                target.name
            );
            return Err(refusal(message));
        }
        Ok(targets.into_iter().map(|target| target.name).collect())
    }
}
