//! What can be typed to `import`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The format, where it can't be told from the file: procfile, pm2, supervisord, systemd or compose; then the files
    #[arg(value_name = "[FORMAT] FILE", required = true)]
    pub words: Vec<PathBuf>,
    /// Write a file, which must not be there yet, instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Fail, and write nothing, if a key can't be carried over
    #[arg(long)]
    pub strict: bool,
    /// Print JSON: the text, and each key that is not carried over
    #[arg(long)]
    pub json: bool,
    /// Let node run an ecosystem file of pm2 that is more than a literal
    #[arg(long)]
    pub allow_js: bool,
}
