//! Sockets for packets. What failed is closed, and the next packet looks for the agent anew.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::net::{UdpSocket, UnixDatagram};
use tokio::sync::Mutex;

use super::super::error::PublishError;
use super::setting::Address;

// Errors of Linux that the standard library has no names for.
const EMSGSIZE: i32 = 90;
const ENOBUFS: i32 = 105;

/// The way to the agent.
#[derive(Debug)]
pub(super) struct Channel {
    address: Address,
    limit: Duration,
    kept: Mutex<Option<Socket>>,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Channel {
    pub(super) fn new(address: Address, limit: Duration) -> Self {
        Channel { address, limit, kept: Mutex::new(None) }
    }

    /// `udp` or `uds`, as clients of DogStatsD call it.
    pub(super) fn transport(&self) -> &'static str {
        match self.address {
            Address::Udp(..) => "udp",
            Address::Unix(_) => "uds",
        }
    }

    /// Host and port; of a socket its path and 0.
    pub(super) fn host_and_port(&self) -> (String, u16) {
        match &self.address {
            Address::Udp(host, port) => (host.clone(), *port),
            Address::Unix(path) => (path.display().to_string(), 0),
        }
    }

    /// Sends a packet. A full socket is waited for, without blocking the thread.
    pub(super) async fn send(&self, packet: &[u8]) -> Result<(), PublishError> {
        let mut kept = self.kept.lock().await;
        let sent = match tokio::time::timeout(self.limit, self.send_by(&mut kept, packet)).await {
            Ok(sent) => sent.map_err(|error| self.failed(&error, packet.len())),
            Err(_) => Err(PublishError::TimedOut { peer: self.peer(), limit: self.limit }),
        };
        if sent.is_err() {
            *kept = None;
        }
        sent
    }

    async fn send_by(&self, kept: &mut Option<Socket>, packet: &[u8]) -> io::Result<()> {
        if let Some(socket) = kept {
            return socket.send(packet).await;
        }
        let (host, port) = match &self.address {
            Address::Udp(host, port) => (host.as_str(), *port),
            Address::Unix(path) => {
                let socket = Socket::unix(path)?;
                socket.send(packet).await?;
                *kept = Some(socket);
                return Ok(());
            }
        };
        // A name may have an address that nobody listens at, and another: `localhost` is two.
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in tokio::net::lookup_host((host, port)).await? {
            match Socket::udp(address, packet).await {
                Ok(socket) => {
                    *kept = Some(socket);
                    return Ok(());
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn peer(&self) -> String {
        match &self.address {
            Address::Udp(host, port) => format!("{host}:{port}"),
            Address::Unix(path) => path.display().to_string(),
        }
    }

    fn failed(&self, error: &io::Error, bytes: usize) -> PublishError {
        let peer = self.peer();
        match error.raw_os_error() {
            Some(EMSGSIZE) => {
                let said = format!("a packet of {bytes} bytes is too long: set packet_bytes lower");
                PublishError::Refused { peer, status: "EMSGSIZE".to_owned(), said }
            }
            Some(ENOBUFS) => {
                let status = "ENOBUFS".to_owned();
                PublishError::Unavailable { peer, status, said: error.to_string(), retry_after: None }
            }
            _ => PublishError::Unreachable { peer, reason: error.to_string() },
        }
    }
}

impl Socket {
    /// One that has sent `packet`. It is connected, so that the system says when nobody listens.
    async fn udp(address: SocketAddr, packet: &[u8]) -> io::Result<Socket> {
        let any = match address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(address).await?;
        let socket = Socket::Udp(socket);
        socket.send(packet).await?;
        Ok(socket)
    }

    fn unix(path: &Path) -> io::Result<Socket> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        Ok(Socket::Unix(socket))
    }

    async fn send(&self, packet: &[u8]) -> io::Result<()> {
        match self {
            Socket::Udp(socket) => {
                socket.send(packet).await?;
                // On this machine a port that nobody has refuses at once; from another one the next packet tells it.
                socket.take_error()?.map_or(Ok(()), Err)
            }
            Socket::Unix(socket) => socket.send(packet).await.map(|_| ()),
        }
    }
}
