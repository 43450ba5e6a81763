//! Sizes as Kubernetes and Google write them: `512Mi`, `2Gi`, `256M`, `1000m`, `0.583`.
//!
//! Source: kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity, 2026-11-21.

/// Memory in MB (2^20 bytes), rounded up; `None` for what is no amount of memory.
pub(crate) fn memory_mb(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 9] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("", 1),
    ];
    let (number, unit) = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)))?;
    let milli = milli(number)?;
    let bytes = u128::from(milli).checked_mul(unit.into())?.div_ceil(1000);
    u64::try_from(bytes.div_ceil(1 << 20)).ok().filter(|mb| *mb > 0)
}

/// vCPUs in thousandths, rounded up; `None` for what is no amount of CPU.
pub(crate) fn vcpu_milli(text: &str) -> Option<u32> {
    let found = match text.strip_suffix('m') {
        Some(number) => milli(number)?.div_ceil(1000),
        None => milli(text)?,
    };
    u32::try_from(found).ok().filter(|milli| *milli > 0)
}

/// A decimal number in thousandths, rounded up.
fn milli(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.len() <= 12 && part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let (kept, rest) = fraction.split_at(fraction.len().min(3));
    let thousandths: u64 = format!("{kept:0<3}").parse().ok()?;
    let up = u64::from(rest.bytes().any(|byte| byte != b'0'));
    whole.checked_mul(1000)?.checked_add(thousandths + up)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_they_are_written() {
        for (text, mb) in
            [("512Mi", 512), ("2Gi", 2048), ("1.5Gi", 1536), ("256M", 245), ("134217728", 128), ("1Ki", 1)]
        {
            assert_eq!(memory_mb(text), Some(mb), "{text}");
        }
        for (text, milli) in [("1", 1000), ("1000m", 1000), ("0.583", 583), ("0.0833", 84), ("83m", 83), ("8", 8000)] {
            assert_eq!(vcpu_milli(text), Some(milli), "{text}");
        }
        for bad in ["", "Mi", "-1", "1e3", "x", "0", "1.2.3", "9999999999999999999", "0m", "."] {
            assert_eq!((memory_mb(bad), vcpu_milli(bad)), (None, None), "{bad}");
        }
    }
}
