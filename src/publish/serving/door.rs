//! What bytes come through: plain TCP, or TLS over it.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

#[cfg(feature = "page-tls")]
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// How connections are opened.
#[derive(Clone)]
pub enum Door {
    /// As they come.
    Plain,
    /// By TLS.
    #[cfg(feature = "page-tls")]
    Tls(TlsAcceptor),
}

/// An open connection.
pub enum Channel {
    /// Bytes as they are.
    Plain(TcpStream),
    /// Encrypted.
    #[cfg(feature = "page-tls")]
    Tls(Box<TlsStream<TcpStream>>),
}

/// What a client is told that does not speak TLS.
#[cfg(feature = "page-tls")]
const NO_TLS: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 60\r\n\
                      connection: close\r\n\r\nthis server speaks TLS alone: write https:// before its name";

impl Door {
    /// Opens a connection. Whoever calls limits its time.
    ///
    /// # Errors
    /// The client does not speak TLS, or leaves.
    pub async fn open(&self, stream: TcpStream) -> Result<Channel> {
        match self {
            Door::Plain => Ok(Channel::Plain(stream)),
            #[cfg(feature = "page-tls")]
            Door::Tls(acceptor) => handshake(acceptor, stream).await,
        }
    }

    /// Returns how an address of this server begins.
    pub fn scheme(&self) -> &'static str {
        match self {
            Door::Plain => "http",
            #[cfg(feature = "page-tls")]
            Door::Tls(_) => "https",
        }
    }
}

#[cfg(feature = "page-tls")]
async fn handshake(acceptor: &TlsAcceptor, mut stream: TcpStream) -> Result<Channel> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// What a record of a handshake begins with.
    const HANDSHAKE: u8 = 22;
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE {
        stream.write_all(NO_TLS.as_bytes()).await?;
        stream.shutdown().await?;
        // Closed with bytes unread, the answer would be taken back.
        while stream.read(&mut [0; 1024]).await? > 0 {}
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    Ok(Channel::Tls(Box::new(acceptor.accept(stream).await?)))
}

/// Does the same with what there is.
macro_rules! inside {
    ($channel:expr, $stream:ident => $what:expr) => {
        match $channel {
            Channel::Plain($stream) => $what,
            #[cfg(feature = "page-tls")]
            Channel::Tls($stream) => $what,
        }
    };
}

impl AsyncRead for Channel {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        inside!(self.get_mut(), stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Channel {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        inside!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        inside!(self.get_mut(), stream => Pin::new(stream).poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        inside!(self, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        inside!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        inside!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }
}
