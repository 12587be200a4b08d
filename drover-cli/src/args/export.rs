//! What can be typed to `export`.

use std::path::PathBuf;

use clap::Args;

pub use crate::export::ExportTarget;

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// What is to start Drover
    #[arg(value_name = "TARGET")]
    pub target: ExportTarget,
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "drover.toml")]
    pub file: PathBuf,
    /// Lay this profile of the file over it
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The image with Drover and the app, for compose and kubernetes
    #[arg(long, value_name = "IMAGE", required_if_eq_any([("target", "compose"), ("target", "kubernetes")]))]
    pub image: Option<String>,
    /// How many containers, for compose and kubernetes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub replicas: u32,
    /// Write a file, which must not be there yet, instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
