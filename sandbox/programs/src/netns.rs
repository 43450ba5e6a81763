//! Sockets in an instance's own network namespace.
//!
//! A socket belongs to the namespace of the thread that makes it, and stays there. So a thread of its
//! own enters the namespace, makes a socket and ends; this process then uses the socket as any other.
//! Nothing runs inside for it, nothing is forwarded, and there is no network path to the host
//! ([ADR 17](../../../docs/adr/0017-programs-without-a-helper.md)).
//!
//! Invariants:
//! - Only threads made here change their namespace, and none of them lives on.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// How long the loopback interface of a namespace may take to connect; it answers at once or never.
const CONNECT: Duration = Duration::from_secs(1);

/// A network namespace; `None` is this process's own.
#[derive(Clone, Debug)]
pub(crate) struct Netns(Option<Arc<File>>);

impl Netns {
    /// That of a process.
    pub(crate) fn of(pid: i32) -> io::Result<Self> {
        Ok(Self(Some(Arc::new(File::open(format!("/proc/{pid}/ns/net"))?))))
    }

    /// This process's own.
    pub(crate) const fn own() -> Self {
        Self(None)
    }

    /// Listens on the loopback interface; port 0 is any that is free.
    pub(crate) async fn listen(&self, port: u16) -> io::Result<tokio::net::TcpListener> {
        // The interface may not have its address yet, so an instance's own namespace takes any; nothing else is in there.
        let host = if self.0.is_some() { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        let listener = self.within(move || TcpListener::bind((host, port))).await?;
        listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(listener)
    }

    /// Connects to a port of the loopback interface.
    pub(crate) async fn connect(&self, port: u16) -> io::Result<tokio::net::TcpStream> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = self.within(move || TcpStream::connect_timeout(&address, CONNECT)).await?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        tokio::net::TcpStream::from_std(stream)
    }

    /// Runs something short on a thread inside.
    async fn within<T: Send + 'static>(&self, make: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
        let namespace = self.0.clone();
        let (made, result) = tokio::sync::oneshot::channel();
        std::thread::Builder::new().name("merit-netns".to_owned()).spawn(move || {
            let enter = || match &namespace {
                Some(file) => move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)),
                None => Ok(()),
            };
            // Whoever asked may have gone.
            let _ = made.send(enter().map_err(io::Error::from).and_then(|()| make()));
        })?;
        result.await.unwrap_or_else(|_| Err(io::Error::other("the thread in the network namespace died")))
    }
}
