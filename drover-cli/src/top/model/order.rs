//! An order to the master, and the command line that it stands for.

/// What the master is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) what: OrderKind,
    /// An app or a worker.
    pub(crate) name: String,
}

/// The kinds of orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderKind {
    Reload,
    Promote,
    Abort,
    Restart,
    /// By so many workers more, or fewer.
    Scale(i32),
    Stop,
    Start,
    Suspend,
    Resume,
}

impl OrderKind {
    /// The order of a key.
    pub(crate) const fn of_key(key: char) -> Option<Self> {
        Some(match key {
            'r' => Self::Reload,
            'R' => Self::Restart,
            '+' => Self::Scale(1),
            '-' => Self::Scale(-1),
            's' => Self::Stop,
            'S' => Self::Start,
            'u' => Self::Suspend,
            'U' => Self::Resume,
            'p' => Self::Promote,
            'a' => Self::Abort,
            _ => return None,
        })
    }

    /// Whether it is about a whole app, wherever in it the selection is.
    pub(crate) const fn is_of_apps(self) -> bool {
        matches!(self, Self::Reload | Self::Promote | Self::Abort | Self::Scale(_))
    }
}

impl Order {
    /// What is typed for it.
    pub(crate) fn line(&self) -> String {
        let name = &self.name;
        match self.what {
            OrderKind::Reload => format!("drover reload {name}"),
            OrderKind::Promote => format!("drover reload --promote {name}"),
            OrderKind::Abort => format!("drover reload --abort {name}"),
            OrderKind::Restart => format!("drover restart {name}"),
            OrderKind::Scale(by) => format!("drover scale {name}={by:+}"),
            OrderKind::Stop => format!("drover stop {name}"),
            OrderKind::Start => format!("drover start {name}"),
            OrderKind::Suspend => format!("drover suspend {name}"),
            OrderKind::Resume => format!("drover resume {name}"),
        }
    }

    /// The question before it is done.
    pub(crate) fn question(&self) -> String {
        let name = &self.name;
        match self.what {
            OrderKind::Reload => format!("Reload {name}?"),
            OrderKind::Promote => format!("Promote the reload of {name}?"),
            OrderKind::Abort => format!("Abort the reload of {name}?"),
            OrderKind::Restart => format!("Restart {name}?"),
            OrderKind::Scale(by) => format!("Scale {name} by {by:+}?"),
            OrderKind::Stop => format!("Stop {name}?"),
            OrderKind::Start => format!("Start {name}?"),
            OrderKind::Suspend => format!("Suspend {name}?"),
            OrderKind::Resume => format!("Resume {name}?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn each_order_stands_for_a_command_line_that_can_be_typed() {
        for key in "rR+-sSuUpa".chars() {
            let what = OrderKind::of_key(key).unwrap();
            let line = Order { what, name: "web".to_owned() }.line();
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        assert_eq!(OrderKind::of_key('x'), None);
    }
}
