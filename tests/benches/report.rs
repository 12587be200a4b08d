//! The table.

use drover_e2e::say;

use crate::sample::{Pair, Sample};

/// What a figure is measured in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    /// Seconds, shown in milliseconds.
    Time,
    /// Seconds, shown in microseconds or nanoseconds.
    Short,
    /// Kilobytes of 1024 bytes.
    Memory,
    /// Things.
    Count,
    /// Parts of a hundred.
    Percent,
}

/// What Drover is to reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Aim {
    /// This many times the floor at most.
    Ratio(f64),
    /// This much more than the floor at most.
    Above(f64),
    /// This much at most.
    AtMost(f64),
    /// The figure stands for itself.
    None,
}

/// What was measured on which machine.
pub(crate) fn heading() {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    say(&format!("{cpus} CPUs, Linux {}, load {}", kernel.trim(), load()));
    say(&format!(
        "{:<44} {:>10} {:>23} {:>10} {:>23} {:>6}  aim",
        "what (medians)", "floor", "(min..max)", "Drover", "(min..max)", "ratio"
    ));
}

/// How much of the CPUs, in percent, was not the benchmark's.
pub(crate) fn closing(others: f64) {
    say(&format!("other programs took {others:.0} % of the CPUs meanwhile, load {}", load()));
}

/// One line of it.
pub(crate) fn line(what: &str, unit: Unit, pair: &Pair, aim: Aim) {
    let (floor, drover) = (pair.floor.median(), pair.drover.median());
    let ratio = drover / floor;
    let (wanted, is_met) = match aim {
        Aim::Ratio(most) => (format!("≤ {most} × floor"), ratio <= most),
        Aim::Above(more) => (format!("≤ floor + {}", unit.show(more)), drover <= floor + more),
        Aim::AtMost(most) => (format!("≤ {}", unit.show(most)), drover <= most),
        Aim::None => ("-".to_owned(), true),
    };
    let verdict = if is_met { "" } else { ", missed" };
    say(&format!(
        "{what:<44} {:>10} {:>23} {:>10} {:>23} {:>6}  {wanted}{verdict}",
        unit.show(floor),
        unit.range(&pair.floor),
        unit.show(drover),
        unit.range(&pair.drover),
        if matches!(aim, Aim::Ratio(_)) { format!("{ratio:.2}") } else { "-".to_owned() },
    ));
}

/// A line that can't be measured here.
pub(crate) fn skipped(what: &str, why: &str) {
    say(&format!("{what:<44} SKIPPED: {why}"));
}

impl Unit {
    fn show(self, figure: f64) -> String {
        match self {
            _ if figure.is_nan() => "-".to_owned(),
            Self::Time if figure.abs() < 0.01 => format!("{:.3} ms", figure * 1e3),
            Self::Time => format!("{:.1} ms", figure * 1e3),
            Self::Short if figure.abs() < 1e-5 => format!("{:.0} ns", figure * 1e9),
            Self::Short => format!("{:.1} µs", figure * 1e6),
            Self::Memory if figure.abs() < 1000.0 => format!("{figure:.1} KB"),
            Self::Memory => format!("{:.2} MB", figure / 1024.0),
            Self::Count => format!("{figure}"),
            Self::Percent => format!("{figure:.2} %"),
        }
    }

    fn range(self, sample: &Sample) -> String {
        if sample.median().is_nan() {
            return "-".to_owned();
        }
        format!("({}..{})", self.show(sample.min()), self.show(sample.max()))
    }
}

/// The load of the last minute: what else the machine has to do.
fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}
