//! Layers are read from archives as engines of every age write them, and from such as nobody well-meaning would.

mod archives;
mod hostile;
pub(in crate::edge::layers) mod make;
mod random;
