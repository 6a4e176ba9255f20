//! A method has nobody to call it.

struct House;

impl House {
    #[sakia::test]
    async fn stands(&self) {}

    #[sakia::test]
    fn falls(self) {}
}

fn main() {}
