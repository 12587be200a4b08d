//! The sockets on one port as the kernel numbers them, and the program that chooses among them.
//!
//! The kernel keeps the sockets of a group in an array. One that begins to listen goes to its end; where one ends, the last
//! takes its place (`reuseport_add_sock` and `reuseport_detach_sock`, `net/core/sock_reuseport.c`). A program answers with a
//! number in that array; after a number that is not in it the kernel chooses by a hash, among all.

use std::collections::BTreeSet;

use crate::ids::SlotIndex;

/// What marks a slot that is led to. Numbers of slots are below it ([`ListenMode::MAX_SLOTS`](crate::config::ListenMode)).
const LED: u16 = 0x8000;

/// What the kernel has of one port.
#[derive(Debug, Default)]
pub(super) struct Group {
    members: Vec<SlotIndex>,
    /// Whom new connections are led to; all of them are members.
    led: BTreeSet<SlotIndex>,
}

/// How a member can leave the group without a connection that goes astray meanwhile.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// At once: nobody who is led to has to move.
    AtOnce,
    /// This one takes its place, so nobody may be led to it until that is done.
    Around(SlotIndex),
    /// Not now: it is led to, or the only one who is would take its place.
    NotNow,
}

impl Group {
    /// The group as its note has it: the number of the members, then each slot, with a mark if it is led to.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let count = self.members.len() as u16;
        let mark = |slot: &SlotIndex| if self.led.contains(slot) { LED } else { 0 };
        let members = self.members.iter().map(|slot| slot.0 as u16 | mark(slot));
        [count].into_iter().chain(members).flat_map(u16::to_le_bytes).collect()
    }

    /// None if that is not a note.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, _) = bytes.as_chunks::<2>();
        let (count, members) = words.split_first()?;
        let members = members.get(..u16::from_le_bytes(*count).into())?;
        let members: Vec<u16> = members.iter().map(|word| u16::from_le_bytes(*word)).collect();
        let slot = |word: &u16| SlotIndex(u32::from(word & !LED));
        let led = members.iter().filter(|word| *word & LED != 0).map(slot).collect();
        Some(Self { members: members.iter().map(slot).collect(), led })
    }

    /// The slots that it has, in the kernel's order.
    pub(super) fn members(&self) -> &[SlotIndex] {
        &self.members
    }

    /// A socket of this slot has begun to listen.
    pub(super) fn joined(&mut self, slot: SlotIndex) {
        self.members.push(slot);
    }

    /// The socket of this slot does not listen any more.
    pub(super) fn left(&mut self, slot: SlotIndex) {
        if let Some(at) = self.members.iter().position(|member| *member == slot) {
            self.members.swap_remove(at);
        }
        self.led.remove(&slot);
    }

    /// Leads new connections to these slots. With none of them in the group everything stays as it is: wherever connections
    /// go, somebody will come. Returns whether anything has changed.
    pub(super) fn lead_to(&mut self, slots: &BTreeSet<SlotIndex>) -> bool {
        let led: BTreeSet<SlotIndex> =
            self.members.iter().filter(|slot| slots.contains(slot)).copied().collect();
        let changes = !led.is_empty() && led != self.led;
        if changes {
            self.led = led;
        }
        changes
    }

    /// Whom new connections are led to.
    pub(super) fn led(&self) -> BTreeSet<SlotIndex> {
        self.led.clone()
    }

    /// Whether new connections are led to this slot.
    pub(super) fn is_led_to(&self, slot: SlotIndex) -> bool {
        self.led.contains(&slot)
    }

    /// How this slot can leave.
    pub(super) fn way_out(&self, slot: SlotIndex) -> Leave {
        match self.members.last() {
            _ if self.led.contains(&slot) => Leave::NotNow,
            Some(last) if *last != slot && self.led.contains(last) => {
                if self.led.len() == 1 {
                    Leave::NotNow
                } else {
                    Leave::Around(*last)
                }
            }
            _ => Leave::AtOnce,
        }
    }

    /// A program that chooses by chance, each with the same, among the slots that are led to.
    pub(super) fn program(&self) -> Vec<libc::sock_filter> {
        self.program_without(None)
    }

    /// The same without one of them.
    pub(super) fn program_without(&self, slot: Option<SlotIndex>) -> Vec<libc::sock_filter> {
        let is_led = |at: &usize| self.led.contains(&self.members[*at]) && Some(self.members[*at]) != slot;
        choose_among((0..self.members.len()).filter(is_led).map(|at| at as u32))
    }
}

/// Chooses among the numbers, which ascend.
///
/// ```text
///   A = random % count
///   for each run of numbers that follow each other, but the last:
///       A < count of this run and those before?  A += first of the run - count of those before; return A
///   A += …; return A
/// ```
///
/// A run and not each number, because the slots of an app that is well are one run; three instructions each.
fn choose_among(numbers: impl Iterator<Item = u32>) -> Vec<libc::sock_filter> {
    // First number and count of each run.
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((first, count)) if *first + *count == number => *count += 1,
            _ => runs.push((number, 1)),
        }
    }
    let count = runs.iter().map(|(_, count)| count).sum::<u32>();
    let random = (libc::SKF_AD_OFF + libc::SKF_AD_RANDOM) as u32;
    let mut program = vec![
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, random),
        // Never zero: somebody is led to. The kernel would refuse it (bpf_check_classic).
        instruction(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, count.max(1)),
    ];
    let mut before = 0;
    for (first, of_run) in runs {
        if before + of_run < count {
            let next = libc::sock_filter {
                jt: 2,
                ..instruction(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, before + of_run)
            };
            program.push(next);
        }
        let offset = first.wrapping_sub(before);
        program.push(instruction(libc::BPF_ALU | libc::BPF_ADD | libc::BPF_K, offset));
        program.push(instruction(libc::BPF_RET | libc::BPF_A, 0));
        before += of_run;
    }
    program
}

fn instruction(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would answer with this random number.
    fn run(program: &[libc::sock_filter], random: u32) -> u32 {
        let (mut a, mut at) = (0_u32, 0);
        loop {
            let libc::sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            match u32::from(code) {
                code if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => a = random,
                code if code == libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K => a %= k,
                code if code == libc::BPF_ALU | libc::BPF_ADD | libc::BPF_K => a = a.wrapping_add(k),
                code if code == libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K => {
                    at += usize::from(if a >= k { jt } else { jf });
                }
                code if code == libc::BPF_RET | libc::BPF_A => return a,
                code => panic!("no such instruction: {code:#x}"),
            }
        }
    }

    fn slots(slots: impl IntoIterator<Item = u32>) -> BTreeSet<SlotIndex> {
        slots.into_iter().map(SlotIndex).collect()
    }

    fn group(members: u32, led: impl IntoIterator<Item = u32>) -> Group {
        let mut group = Group::default();
        (0..members).for_each(|slot| group.joined(SlotIndex(slot)));
        group.lead_to(&slots(led));
        group
    }

    #[test]
    fn every_number_that_is_led_to_is_chosen_equally_often_and_no_other() {
        for numbers in [vec![0], vec![3], vec![0, 1, 2], vec![1, 2, 5], vec![0, 2, 4, 6], vec![2, 3, 7, 8, 9]]
        {
            let program = choose_among(numbers.iter().copied());
            let mut chosen = vec![0; 10];
            for random in 0..numbers.len() as u32 * 100 {
                chosen[run(&program, random) as usize] += 1;
            }
            let expected: Vec<u32> = (0..10).map(|at| if numbers.contains(&at) { 100 } else { 0 }).collect();
            assert_eq!(chosen, expected, "{numbers:?}");
        }
    }

    #[test]
    fn with_nobody_to_lead_to_all_stays_as_it_is() {
        let mut group = group(3, [1]);
        assert!(!group.lead_to(&slots([])));
        assert!(!group.lead_to(&slots([7])), "a slot without a socket");
        assert!(group.is_led_to(SlotIndex(1)));
        assert!(group.lead_to(&slots([0, 2])));
        assert!(!group.is_led_to(SlotIndex(1)));
    }

    #[test]
    fn a_group_is_read_as_it_was_written_and_no_half_of_it() {
        for group in [Group::default(), group(1, [0]), group(1024, [0, 7, 1023])] {
            let bytes = group.to_bytes();
            let more = [&*bytes, &[7; 5]].concat();
            for bytes in [&bytes, &more] {
                let read = Group::from_bytes(bytes).unwrap();
                assert_eq!((read.members, read.led), (group.members.clone(), group.led.clone()));
            }
            assert!(Group::from_bytes(&bytes[..bytes.len() - 1]).is_none());
        }
    }

    #[test]
    fn nobody_leaves_while_somebody_might_be_led_astray() {
        for (members, led, leaves, expected) in [
            (3, vec![0, 1, 2], 1, Leave::NotNow),
            (3, vec![0, 1], 2, Leave::AtOnce),
            (3, vec![0], 1, Leave::AtOnce),
            (3, vec![0, 2], 1, Leave::Around(SlotIndex(2))),
            (3, vec![2], 1, Leave::NotNow),
        ] {
            let way = group(members, led.clone()).way_out(SlotIndex(leaves));
            assert_eq!(way, expected, "{members} {led:?} {leaves}");
        }
    }
}
