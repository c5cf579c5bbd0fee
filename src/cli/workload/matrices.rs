//! The bytes of a message as the matrices that `matmul_f32` multiplies.

/// The most bytes that are made matrices: two of 256 x 256. A sum of 256 products of bytes is below 2^24, so that f32 has it and
/// all that it is added up from exactly, in whichever order.
pub const MOST_FACTORS: u32 = 2 * 256 * 256;

/// Returns how many rows and columns the two matrices have whose elements are so many bytes.
pub fn side(bytes: usize) -> usize {
    let half = bytes.div_ceil(2).max(1);
    half.isqrt() + usize::from(half.isqrt().pow(2) < half)
}

/// Returns two square matrices that have an element for each byte, as the kernel takes them.
pub fn factors(bytes: &[u8]) -> Vec<u8> {
    let side = side(bytes.len());
    let shape = [side as u32, side as u32, side as u32, 0];
    let elements = bytes.iter().map(|byte| f32::from(*byte)).chain(std::iter::repeat(0.0)).take(2 * side * side);
    shape.into_iter().map(u32::to_le_bytes).chain(elements.map(f32::to_le_bytes)).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_are_as_small_as_they_can_be() {
        assert_eq!([0, 1, 2, 3, 8, 9, 18, 19].map(side), [1, 1, 1, 2, 2, 3, 3, 4]);
        assert_eq!(side(MOST_FACTORS as usize), 256);
    }
}
