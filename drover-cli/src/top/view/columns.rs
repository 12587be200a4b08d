//! Which columns there is room for: those that matter most stay the longest.

/// A column after the name and the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Uptime,
    Cpu,
    Memory,
    Restarts,
    NextTry,
    InFlight,
    Generation,
    Pid,
    LastExit,
}

impl Column {
    /// By importance, which is not the order on the screen.
    const BY_IMPORTANCE: [Self; 9] = [
        Self::Uptime,
        Self::Cpu,
        Self::Memory,
        Self::NextTry,
        Self::Restarts,
        Self::Generation,
        Self::InFlight,
        Self::Pid,
        Self::LastExit,
    ];

    const ON_SCREEN: [Self; 9] = [
        Self::Pid,
        Self::Uptime,
        Self::Restarts,
        Self::NextTry,
        Self::Cpu,
        Self::Memory,
        Self::InFlight,
        Self::Generation,
        Self::LastExit,
    ];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Uptime => "UPTIME",
            Self::Cpu => "CPU",
            Self::Memory => "MEMORY",
            Self::Restarts => "RESTARTS",
            Self::NextTry => "NEXT TRY",
            Self::InFlight => "IN FLIGHT",
            Self::Generation => "GEN",
            Self::Pid => "PID",
            Self::LastExit => "LAST EXIT",
        }
    }

    const fn width(self) -> usize {
        match self {
            Self::Uptime => 11,
            Self::Cpu => 6,
            Self::Memory | Self::Restarts | Self::NextTry => 8,
            Self::InFlight => 9,
            Self::Generation => 3,
            Self::Pid => 7,
            Self::LastExit => 24,
        }
    }

    pub(super) const fn is_number(self) -> bool {
        !matches!(self, Self::LastExit)
    }
}

/// Between two columns.
pub(super) const GAP: usize = 2;

/// The widths of name, state and of the columns that there is room for, in the order of the screen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) name: usize,
    pub(super) state: usize,
    pub(super) others: Vec<(Column, usize)>,
}

/// Shares a width out; `name` and `state` say how wide their longest texts are.
pub(super) fn shared(width: usize, name: usize, state: usize) -> Columns {
    // Where there is not enough for both, each has half of it.
    let name = name.clamp(6, 30).min(width.saturating_sub(state.clamp(5, 18) + 1).max(width / 2)).max(1);
    let state = state.clamp(5, 18).min(width.saturating_sub(name + 1));
    let mut left = width.saturating_sub(name + 1 + state);
    let mut chosen = Vec::new();
    for column in Column::BY_IMPORTANCE {
        if column.width() + GAP <= left {
            left -= column.width() + GAP;
            chosen.push(column);
        }
    }
    let others = Column::ON_SCREEN.into_iter().filter(|column| chosen.contains(column));
    let others = others.map(|column| match column {
        // It takes what is left.
        Column::LastExit => (column, column.width() + left),
        _ => (column, column.width()),
    });
    Columns { name, state, others: others.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_every_width_the_columns_fit_and_the_less_important_leave_first() {
        let mut before = 0;
        for width in 20..=200 {
            let columns = shared(width, 9, 13);
            let others: usize = columns.others.iter().map(|(_, wide)| GAP + wide).sum();
            assert!(columns.name + 1 + columns.state + others <= width, "{width}: {columns:?}");
            assert!(columns.others.len() + 1 >= before, "{width}: {columns:?}");
            before = columns.others.len();
        }
        assert_eq!(before, 9);
        assert_eq!(shared(20, 9, 13).others, []);
        assert_eq!(shared(40, 9, 11).others, [(Column::Uptime, 11), (Column::Generation, 3)]);
    }
}
