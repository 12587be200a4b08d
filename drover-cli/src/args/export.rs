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
    /// The image with Drover and the app, for compose, swarm and kubernetes
    #[arg(long, value_name = "IMAGE", required_if_eq_any([("target", "compose"), ("target", "swarm"), ("target", "kubernetes")]))]
    pub image: Option<String>,
    /// How many containers, 1 by default, for compose, swarm and kubernetes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub replicas: Option<u32>,
    /// Write a file, which must not be there yet, instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Fail, and write nothing, if there is a warning
    #[arg(long)]
    pub strict: bool,
    /// Print JSON: the text, the arithmetic, and each warning
    #[arg(long)]
    pub json: bool,
}
