//! Which addresses may be called.
//!
//! A venue's name is somebody's input, and may resolve to anything: to the metadata service that
//! hands out this machine's credentials, or to a neighbour on the link. The check runs on the
//! resolved address of every connection, so a name that changes its mind is caught too.
//!
//! Invariant: an IPv4 address is judged the same in whichever IPv6 form it arrives.
//!
//! Known limitation: Teredo addresses are not unwrapped; they need a relay no server has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// IPv4 networks no venue is in.
///
/// 168.63.129.16 is Azure's host service, 100.100.100.200 Alibaba's metadata, 192.0.0.192
/// Oracle's older metadata address; all other clouds use link-local 169.254.169.254.
const FORBIDDEN_V4: &[(Ipv4Net, &str)] = &[
    (net4([0, 0, 0, 0], 8), "an unspecified address"),
    (net4([169, 254, 0, 0], 16), "a link-local address, where metadata services live"),
    (net4([100, 100, 100, 200], 32), "Alibaba's metadata service"),
    (net4([168, 63, 129, 16], 32), "Azure's host service"),
    (net4([192, 0, 0, 192], 32), "Oracle's metadata service"),
    (net4([224, 0, 0, 0], 4), "a multicast address"),
    (net4([240, 0, 0, 0], 4), "a reserved or broadcast address"),
];

/// IPv6 networks no venue is in: fd00:ec2::/32 holds AWS's metadata, time and name services,
/// fd20:ce::254 is Google's metadata.
const FORBIDDEN_V6: &[(Ipv6Net, &str)] = &[
    (net6([0, 0, 0, 0, 0, 0, 0, 0], 128), "an unspecified address"),
    (net6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "a link-local address"),
    (net6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "a site-local address"),
    (net6([0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0], 32), "AWS's metadata and link services"),
    (net6([0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254], 128), "Google's metadata service"),
    (net6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "a multicast address"),
];

const PRIVATE_V4: &[Ipv4Net] = &[
    net4([127, 0, 0, 0], 8),
    net4([10, 0, 0, 0], 8),
    net4([172, 16, 0, 0], 12),
    net4([192, 168, 0, 0], 16),
    net4([100, 64, 0, 0], 10),
];

const PRIVATE_V6: &[Ipv6Net] = &[net6([0, 0, 0, 0, 0, 0, 0, 1], 128), net6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7)];

const fn net4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]), prefix)
}

const fn net6(groups: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = groups;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

/// Which addresses a venue may be at.
#[derive(Clone, Debug)]
pub(crate) struct AddressPolicy {
    /// Networks that lift every ban.
    pub(crate) allow: Vec<IpNet>,
    /// Whether loopback and private networks may be called.
    pub(crate) private: bool,
}

impl AddressPolicy {
    /// What the address is, when it may not be called.
    pub(crate) fn refusal(&self, address: IpAddr) -> Option<&'static str> {
        let plain = unwrap_v4(address);
        if self.allow.iter().any(|net| net.contains(&address) || net.contains(&plain)) {
            return None;
        }
        let (forbidden, private) = match plain {
            IpAddr::V4(v4) => (
                FORBIDDEN_V4.iter().find(|(net, _)| net.contains(&v4)).map(|(_, what)| *what),
                PRIVATE_V4.iter().any(|net| net.contains(&v4)),
            ),
            IpAddr::V6(v6) => (
                FORBIDDEN_V6.iter().find(|(net, _)| net.contains(&v6)).map(|(_, what)| *what),
                PRIVATE_V6.iter().any(|net| net.contains(&v6)),
            ),
        };
        forbidden.or((private && !self.private).then_some("a loopback or private address"))
    }
}

/// The IPv4 address within an IPv6 one: mapped, compatible, NAT64 (RFC 6052) or 6to4.
fn unwrap_v4(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let groups = v6.segments();
    let low = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match groups {
        [0, 0, 0, 0, 0, 0xffff, high, last] | [0x64, 0xff9b, 0, 0, 0, 0, high, last] => low(high, last),
        [0, 0, 0, 0, 0, 0, high, last] if high != 0 => low(high, last),
        [0x2002, high, last, ..] => low(high, last),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &[&str], private: bool) -> AddressPolicy {
        AddressPolicy { allow: allow.iter().map(|net| net.parse().expect("a network")).collect(), private }
    }

    fn refused(policy: &AddressPolicy, address: &str) -> bool {
        policy.refusal(address.parse().expect("an address")).is_some()
    }

    #[test]
    fn forbids_metadata_and_link_local_in_every_form() {
        let open = policy(&[], true);
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "::ffff:6464:64c8",
            "168.63.129.16",
            "192.0.0.192",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "ff02::1",
        ] {
            assert!(refused(&open, address), "{address}");
        }
    }

    #[test]
    fn allows_public_and_by_default_private_addresses() {
        let (open, closed) = (policy(&[], true), policy(&[], false));
        for address in ["8.8.8.8", "168.63.129.17", "100.128.0.1", "2600:1900::1", "169.253.255.255"] {
            assert!(!refused(&open, address) && !refused(&closed, address), "{address}");
        }
        for address in
            ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.0.1", "100.64.0.1", "fd12::1"]
        {
            assert!(!refused(&open, address), "{address}");
            assert!(refused(&closed, address), "{address}");
        }
    }

    #[test]
    fn an_allowed_network_lifts_the_ban_and_only_there() {
        let lifted = policy(&["169.254.10.0/24", "10.0.0.0/8"], false);
        assert!(!refused(&lifted, "169.254.10.7"));
        assert!(!refused(&lifted, "::ffff:169.254.10.7"));
        assert!(!refused(&lifted, "10.9.9.9"));
        assert!(refused(&lifted, "169.254.169.254"));
        assert!(refused(&lifted, "127.0.0.1"));
    }
}
