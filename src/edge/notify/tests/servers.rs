//! A web server and a mail server that say what they are told to say, and tell what they heard.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request as it came.
#[derive(Debug)]
pub(super) struct Heard {
    /// The first line.
    pub line: String,
    /// Each with its name in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Heard {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Answers one request after the other, each on a connection of its own; then it is gone. What it heard is there before it answers.
pub(super) async fn web_server(answers: Vec<String>) -> (SocketAddr, Arc<Mutex<Vec<Heard>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let all = Arc::<Mutex<Vec<Heard>>>::default();
    let heard = all.clone();
    tokio::spawn(async move {
        for answer in answers {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let request = request(&mut stream).await;
            all.lock().unwrap().push(request);
            let text = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    });
    (address, heard)
}

async fn request(stream: &mut BufReader<tokio::net::TcpStream>) -> Heard {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut lines = lines.into_iter();
    let line = lines.next().unwrap_or_default();
    let headers: Vec<(String, String)> =
        lines.filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, length)| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    Heard { line, headers, body }
}

/// Takes one connection and speaks enough SMTP for one mail; `says` are other answers than usual, by the beginning of the command. Tells all lines
/// that it heard, those of the mail among them.
pub(super) async fn mail_server(says: &'static [(&'static str, &'static str)]) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut lines: Vec<String> = Vec::new();
        let mut is_in_data = false;
        let greeting = says.iter().find(|(command, _)| command.is_empty()).map_or("220 mail.example.com", |(_, answer)| answer);
        stream.write_all(format!("{greeting}\r\n").as_bytes()).await.unwrap();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return lines;
            }
            let line = line.trim_end().to_owned();
            lines.push(line.clone());
            if is_in_data && line != "." {
                continue;
            }
            let answer = match says.iter().find(|(command, _)| !command.is_empty() && line.starts_with(command)) {
                // A server that repeats what it does not understand.
                Some((_, "echo")) => format!("502 unknown command: {line}"),
                Some((_, answer)) => (*answer).to_owned(),
                None => usual(&line).to_owned(),
            };
            is_in_data = answer.starts_with("354");
            stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
        }
    });
    (address, heard)
}

fn usual(line: &str) -> &'static str {
    match line.split(' ').next().unwrap_or_default() {
        "EHLO" => "250-mail.example.com\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME",
        "AUTH" => "235 ok",
        "DATA" => "354 go on",
        "QUIT" => "221 bye",
        _ => "250 ok",
    }
}
