//! `uuid::Uuid`.

use uuid::Uuid;

use crate::read::read_through;
use crate::write::write_through;

read_through!(Uuid, crate::Uuid, |ours| Some(Uuid::from_bytes(ours.0)));
write_through!(Uuid, crate::Uuid);

impl From<Uuid> for crate::Uuid {
    fn from(theirs: Uuid) -> Self {
        crate::Uuid(theirs.into_bytes())
    }
}

impl From<crate::Uuid> for Uuid {
    fn from(ours: crate::Uuid) -> Self {
        Uuid::from_bytes(ours.0)
    }
}
