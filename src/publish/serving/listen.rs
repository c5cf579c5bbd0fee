//! Where to listen: an address or a name, what it resolves to, and for which names a request may come.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::str::FromStr;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The name has no address.
    #[error("cannot listen on {listen}: the name is not known here ({source}): check the spelling, or use 127.0.0.1")]
    Unknown {
        /// What was to be listened on.
        listen: Listen,
        /// What the system said.
        source: io::Error,
    },
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Taken {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// What is listened on cannot be asked for its address.
    #[error("cannot listen: {0}")]
    System(#[from] io::Error),
}

/// Where to listen: an IP address or a name, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    host: String,
    port: u16,
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Listen, String> {
        const SHAPE: &str = "write an address or a name, and a port: 127.0.0.1:9464, localhost:9464, [::1]:9464";
        let number = |port: &str| port.parse().map_err(|_| format!("`{port}` is not a port, 0 to 65535: {SHAPE}"));
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(match text.parse::<u16>() {
                Ok(port) => without_host(port),
                Err(_) => format!("the port is missing: {SHAPE}"),
            });
        };
        if host.is_empty() {
            return Err(without_host(number(port)?));
        }
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        if bare.unwrap_or(host).contains(':') != bare.is_some() {
            return Err(format!("an IPv6 address must be in brackets: {SHAPE}"));
        }
        Ok(Listen { host: bare.unwrap_or(host).to_owned(), port: number(port)? })
    }
}

fn without_host(port: u16) -> String {
    format!("the address is missing: write 127.0.0.1:{port} to serve this machine only, 0.0.0.0:{port} to serve all")
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Listen {
    /// Listens on loopback, at this port.
    pub fn loopback(port: u16) -> Listen {
        Listen { host: "127.0.0.1".to_owned(), port }
    }

    /// Takes every address that the name has on this machine (`localhost` mostly has two, `127.0.0.1` and `::1`), all
    /// with the same port, so that it does not matter which of them a client tries. At least one.
    ///
    /// # Errors
    /// [`ListenError::Unknown`], [`ListenError::Taken`].
    pub fn bind(&self) -> Result<Vec<TcpListener>, ListenError> {
        /// Tries to find a port that is free on all addresses.
        const TRIES: u32 = 16;
        let unknown = |source| ListenError::Unknown { listen: self.clone(), source };
        let mut addresses: Vec<SocketAddr> = (&*self.host, self.port).to_socket_addrs().map_err(unknown)?.collect();
        // IPv4 first: that is the address that is told.
        addresses.sort_by_key(SocketAddr::is_ipv6);
        addresses.dedup();
        let mut tries = 0;
        loop {
            tries += 1;
            match bind_all(&addresses) {
                Err(ListenError::Taken { source, .. })
                    if self.port == 0 && source.kind() == ErrorKind::AddrInUse && tries < TRIES => {}
                Ok(listeners) if listeners.is_empty() => return Err(unknown(ErrorKind::NotFound.into())),
                done => return done,
            }
        }
    }

    /// Returns for which hosts requests may come to `listeners`.
    pub fn hosts(&self, listeners: &[TcpListener]) -> Hosts {
        let local = |l: &TcpListener| l.local_addr().is_ok_and(|a| a.ip().to_canonical().is_loopback());
        let only_local = listeners.iter().all(local);
        Hosts { only_local, named: self.host.to_ascii_lowercase() }
    }
}

/// Takes all of `addresses` that this machine has; the port of the first is that of all.
fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, ListenError> {
    let (mut listeners, mut missing): (Vec<TcpListener>, _) = (Vec::new(), None);
    for address in addresses {
        let mut address = *address;
        if let Some(first) = listeners.first() {
            address.set_port(first.local_addr()?.port());
        }
        match TcpListener::bind(address) {
            Ok(listener) => listeners.push(listener),
            // A name may have addresses of a protocol that is switched off here.
            Err(source) if is_absent(&source) => missing = Some(ListenError::Taken { address, source }),
            Err(source) => return Err(ListenError::Taken { address, source }),
        }
    }
    match missing {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

/// For which hosts requests may come.
///
/// What listens on loopback is for this machine. A page of the web could still have a browser on it ask, under a name of
/// its own that it lets point to 127.0.0.1 (DNS rebinding), and would read the answer; the request says that name.
#[derive(Clone, Debug)]
pub struct Hosts {
    only_local: bool,
    /// As it was written.
    named: String,
}

impl Hosts {
    /// Returns whether only this machine can ask.
    pub fn only_local(&self) -> bool {
        self.only_local
    }

    /// Returns whether a request may say that it is for `host`, a name or an address with a port or without.
    pub fn allow(&self, host: &str) -> bool {
        if !self.only_local {
            return true;
        }
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        let name = name.to_ascii_lowercase();
        let local = |ip: IpAddr| ip.to_canonical().is_loopback();
        name == "localhost" || name == self.named || name.parse().is_ok_and(local)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names() {
        for text in ["127.0.0.1:9464", "localhost:0", "[::1]:80", "my-host.example:65535"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for (text, why) in [
            (":9464", "127.0.0.1:9464"),
            ("9464", "0.0.0.0:9464"),
            ("localhost", "port is missing"),
            ("[::1]", "IPv6 address must be in brackets"),
            ("::1:9464", "brackets"),
            ("localhost:http", "`http` is not a port"),
            ("localhost:65536", "is not a port"),
            ("", "port is missing"),
        ] {
            let said = text.parse::<Listen>().unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn on_loopback_only_names_of_this_machine_are_allowed() {
        let hosts = |named: &str, only_local| Hosts { only_local, named: named.to_owned() };
        let local = hosts("127.0.0.1", true);
        for host in ["localhost", "LocalHost:9464", "127.0.0.1", "127.0.0.1:1", "[::1]:9464", "[::1]", "127.0.0.2:80"] {
            assert!(local.allow(host), "{host}");
        }
        for host in
            ["evil.example", "evil.example:9464", "localhost.evil.example", "192.0.2.1:9464", "", "[::2]:1", ":"]
        {
            assert!(!local.allow(host), "{host}");
        }
        assert!(hosts("my-host", true).allow("my-host:9464"));
        assert!(hosts("0.0.0.0", false).allow("my-host.example:9464"));
    }

    #[test]
    fn all_addresses_of_a_name_share_a_port() {
        let listen: Listen = "localhost:0".parse().unwrap();
        let listeners = listen.bind().unwrap();
        let ports: Vec<u16> = listeners.iter().map(|l| l.local_addr().unwrap().port()).collect();
        assert!(!ports.is_empty() && ports.iter().all(|p| *p == ports[0] && *p != 0), "{ports:?}");
        assert!(listen.hosts(&listeners).only_local());
        let again = Listen { port: ports[0], ..listen };
        assert!(matches!(again.bind(), Err(ListenError::Taken { .. })));
        let all = Listen { host: "0.0.0.0".to_owned(), port: 0 };
        assert!(!all.hosts(&all.bind().unwrap()).only_local());
    }
}
