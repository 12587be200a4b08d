//! Protobuf's numbers of varying length (base 128, the lowest seven bits first).

use bytes::BufMut;

/// How many bytes a number takes.
pub(super) const fn length(value: u64) -> usize {
    // Each byte holds seven bits; 0 takes one byte too.
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends a number.
#[inline]
pub(super) fn put(mut value: u64, wire: &mut impl BufMut) {
    while value >= 0x80 {
        wire.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    wire.put_u8(value as u8);
}

/// Takes a number off the front. `None`: it is cut short, or does not fit into 64 bits.
pub(super) fn take(data: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for (at, byte) in data.iter().enumerate().take(10) {
        if at == 9 && *byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            *data = &data[at + 1..];
            return Some(value);
        }
    }
    None
}

/// Takes that many bytes off the front, and before them their number. `None`: they are not all there.
pub(super) fn take_bytes<'a>(data: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take(data)?).ok()?;
    let (bytes, rest) = data.split_at_checked(length)?;
    *data = rest;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_is_as_prost_writes_it_and_is_read_again(bits in 0u32..=64, low in any::<u64>()) {
            let value = low.checked_shr(64 - bits).unwrap_or(0);
            let (mut ours, mut theirs) = (BytesMut::new(), BytesMut::new());
            put(value, &mut ours);
            prost::encoding::encode_varint(value, &mut theirs);
            prop_assert_eq!(&ours, &theirs);
            prop_assert_eq!(length(value), ours.len());
            let mut data = &ours[..];
            prop_assert_eq!(take(&mut data), Some(value));
            prop_assert!(data.is_empty());
            prop_assert_eq!(take(&mut &ours[..ours.len() - 1]), None);
        }
    }

    #[test]
    fn a_number_over_64_bits_is_none() {
        assert_eq!(take(&mut &[0xff; 11][..]), None);
        let mut largest = [0xff; 10];
        largest[9] = 1;
        assert_eq!(take(&mut &largest[..]), Some(u64::MAX));
        largest[9] = 2;
        assert_eq!(take(&mut &largest[..]), None);
    }
}
