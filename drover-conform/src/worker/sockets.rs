//! What the kernel tells of the connections to a TCP listener of 127.0.0.1 (proc_net_tcp(5)): whether a worker has taken one
//! shows there, whatever the worker says.

use std::{fs, io};

/// Every TCP socket of IPv4.
const TABLE: &str = "/proc/net/tcp";

/// `TCP_ESTABLISHED`, and `TCP_SYN_RECV` before that (include/net/tcp_states.h).
const ESTABLISHED: u8 = 0x01;
const SYN_RECV: u8 = 0x03;

/// One socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    local: u16,
    remote: u16,
    state: u8,
    /// Bytes that nobody has read.
    unread: u64,
    /// 0: no process has it. So it is while it waits to be accepted.
    inode: u64,
}

/// Where a client stands, seen from the worker's side: one place after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In the listener's queue.
    Waiting,
    /// Accepted, with something still to be read.
    Unread,
    /// Accepted, and all that was sent has been read.
    Taken,
}

/// Where the client with the port `client` stands, of a listener on `port`. None: the kernel does not tell. So it is when the
/// connection is over; but a line may also be missing once, because the table changed between two reads of it.
///
/// # Errors
///
/// The table can't be read.
pub(super) fn place(port: u16, client: u16) -> io::Result<Option<Place>> {
    let table = fs::read_to_string(TABLE)
        .map_err(|error| io::Error::new(error.kind(), format!("{TABLE} can't be read: {error}")))?;
    Ok(table.lines().filter_map(row).find(|row| row.local == port && row.remote == client).and_then(placed))
}

/// How many may wait on any socket (`net.core.somaxconn`).
pub(super) fn longest_queue() -> Option<usize> {
    fs::read_to_string("/proc/sys/net/core/somaxconn").ok()?.trim().parse().ok()
}

const fn placed(row: Row) -> Option<Place> {
    match row {
        Row { state: SYN_RECV, .. } | Row { state: ESTABLISHED, inode: 0, .. } => Some(Place::Waiting),
        Row { inode: 0, .. } => None,
        Row { unread: 0, .. } => Some(Place::Taken),
        _ => Some(Place::Unread),
    }
}

fn row(line: &str) -> Option<Row> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, local, remote, state, queues, _, _, _, _, inode, ..] = fields[..] else { return None };
    let port = |address: &str| u16::from_str_radix(address.split_once(':')?.1, 16).ok();
    Some(Row {
        local: port(local)?,
        remote: port(remote)?,
        state: u8::from_str_radix(state, 16).ok()?,
        unread: u64::from_str_radix(queues.split_once(':')?.1, 16).ok()?,
        inode: inode.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn a_line_of_the_kernels_table_is_a_row() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        assert_eq!(row(head), None);
        let line = "   1: 0100007F:1F90 0100007F:A001 01 00000000:00000023 00:00000000 00000000     0        0 4711 1 0000000000000000 20 4 30 10 -1";
        let expected = Row { local: 8080, remote: 0xa001, state: ESTABLISHED, unread: 0x23, inode: 4711 };
        assert_eq!(row(line), Some(expected));
    }

    #[test]
    fn a_client_waits_until_a_process_has_its_connection() {
        let row = |state, inode, unread| Row { local: 1, remote: 2, state, unread, inode };
        for (row, place) in [
            (row(SYN_RECV, 0, 0), Some(Place::Waiting)),
            (row(ESTABLISHED, 0, 30), Some(Place::Waiting)),
            (row(ESTABLISHED, 9, 30), Some(Place::Unread)),
            (row(ESTABLISHED, 9, 0), Some(Place::Taken)),
            // FIN_WAIT2, and no process has it: accepted, and closed.
            (row(0x05, 0, 0), None),
        ] {
            assert_eq!(placed(row), place, "{row:?}");
        }
    }

    /// Looks until it is there: the kernel's table may lag behind, and lack a line once.
    async fn reaches(port: u16, client: u16, expected: Option<Place>) {
        let reached = async {
            while place(port, client).unwrap() != expected {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{expected:?} was expected"));
    }

    #[tokio::test]
    async fn the_kernel_tells_who_waits_and_who_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let own = client.local_addr().unwrap().port();
        reaches(port, own, Some(Place::Waiting)).await;
        let (accepted, _) = listener.accept().unwrap();
        reaches(port, own, Some(Place::Taken)).await;
        client.write_all(b"hello").unwrap();
        reaches(port, own, Some(Place::Unread)).await;
        drop((accepted, listener));
        reaches(port, own, None).await;
    }
}
