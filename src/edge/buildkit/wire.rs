//! A connection with a switch: once it is thrown the connection is at its end, whoever still holds it.
//!
//! gRPC keeps connections in tasks of its own; closing them from inside is the one way to be sure that no socket outlives its build.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use super::AsyncReadWrite;

pub(super) struct Wire {
    stream: Box<dyn AsyncReadWrite + Send + Unpin>,
    stop: CancellationToken,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn AsyncReadWrite + Send + Unpin>, stop: CancellationToken) -> Self {
        Self { stream, stopped: Box::pin(stop.clone().cancelled_owned()), stop }
    }

    fn cut() -> io::Error {
        io::Error::new(io::ErrorKind::ConnectionAborted, "the build has ended")
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Polling the switch registers this reader with it: a connection at rest is always being read, so the switch wakes it.
        if self.stopped.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.stop.is_cancelled() {
            return Poll::Ready(Err(Self::cut()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stop.is_cancelled() {
            return Poll::Ready(Err(Self::cut()));
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stop.is_cancelled() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connected for Wire {
    type ConnectInfo = ();
    fn connect_info(&self) {}
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn the_switch_ends_a_reader_at_rest_and_refuses_writers() {
        let (near, mut far) = tokio::io::duplex(64);
        let stop = CancellationToken::new();
        let mut wire = Wire::new(Box::new(near), stop.clone());
        far.write_all(b"x").await.unwrap();
        assert_eq!(wire.read_u8().await.unwrap(), b'x');
        let reader = tokio::spawn(async move {
            let mut rest = Vec::new();
            wire.read_to_end(&mut rest).await.unwrap();
            wire.write_all(b"y").await
        });
        tokio::task::yield_now().await;
        stop.cancel();
        assert!(reader.await.unwrap().is_err());
        assert_eq!(far.read(&mut [0]).await.unwrap(), 0, "the other side sees the end");
    }
}
