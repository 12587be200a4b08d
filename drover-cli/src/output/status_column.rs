//! Which columns of the table of workers there is room for: those that matter most stay the longest.

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusColumn {
    Worker,
    State,
    Pid,
    Uptime,
    Restarts,
    Cpu,
    Memory,
    InFlight,
    Generation,
    LastExit,
}

impl StatusColumn {
    /// In the order of the screen.
    pub(super) const ALL: [Self; 10] = [
        Self::Worker,
        Self::State,
        Self::Pid,
        Self::Uptime,
        Self::Restarts,
        Self::Cpu,
        Self::Memory,
        Self::InFlight,
        Self::Generation,
        Self::LastExit,
    ];

    /// In the order in which they leave a screen that is too narrow. Name and state stay.
    const LEAVING: [Self; 8] = [
        Self::Generation,
        Self::InFlight,
        Self::Cpu,
        Self::Memory,
        Self::Pid,
        Self::Uptime,
        Self::Restarts,
        Self::LastExit,
    ];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Worker => "WORKER",
            Self::State => "STATE",
            Self::Pid => "PID",
            Self::Uptime => "UPTIME",
            Self::Restarts => "RESTARTS",
            Self::Cpu => "CPU",
            Self::Memory => "MEMORY",
            Self::InFlight => "IN FLIGHT",
            Self::Generation => "GEN",
            Self::LastExit => "LAST EXIT",
        }
    }
}

/// The blanks around a cell.
pub(super) const PADDING: usize = 2;

/// How much of a last exit has to be seen for it to be worth its place.
const PART_OF_EXIT: usize = 20;

/// Those that fit, each with its width. `columns`: how wide their longest text is.
pub(super) fn fitting(
    mut columns: Vec<(StatusColumn, usize)>,
    width: Option<usize>,
) -> Vec<(StatusColumn, usize)> {
    let Some(width) = width else { return columns };
    let needed = |(column, wide): &(StatusColumn, usize)| match column {
        StatusColumn::LastExit => PADDING + (*wide).min(PART_OF_EXIT),
        _ => PADDING + wide,
    };
    // Nothing follows the last text of a line.
    let total = |columns: &[(StatusColumn, usize)]| columns.iter().map(needed).sum::<usize>() - 1;
    let mut leaving = StatusColumn::LEAVING.iter();
    while total(&columns) > width {
        let Some(next) = leaving.next() else { break };
        columns.retain(|(column, _)| column != next);
    }
    let left = width.saturating_sub(total(&columns));
    if let Some((StatusColumn::LastExit, wide)) = columns.last_mut() {
        *wide = (*wide).min((*wide).min(PART_OF_EXIT) + left);
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_every_width_the_columns_fit_and_the_less_important_leave_first() {
        let wide = |column: StatusColumn| match column {
            StatusColumn::LastExit => 45,
            other => other.title().len(),
        };
        let all = || StatusColumn::ALL.map(|column| (column, wide(column))).to_vec();
        assert_eq!(fitting(all(), None), all());
        let mut before = 2;
        for width in 20..=200 {
            let columns = fitting(all(), Some(width));
            let used: usize = columns.iter().map(|(_, wide)| PADDING + wide).sum();
            assert!(used - 1 <= width, "{width}: {columns:?}");
            assert!(columns.len() >= before, "{width}: {columns:?}");
            before = columns.len();
        }
        let shown =
            |width| fitting(all(), Some(width)).into_iter().map(|(column, _)| column).collect::<Vec<_>>();
        assert_eq!(fitting(all(), Some(200)), all());
        assert_eq!(shown(20), StatusColumn::ALL[..2]);
        assert_eq!(shown(40), [StatusColumn::Worker, StatusColumn::State, StatusColumn::LastExit]);
        // Where not even the names fit, the terminal breaks the lines.
        assert_eq!(shown(5), StatusColumn::ALL[..2]);
    }
}
