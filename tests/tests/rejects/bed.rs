//! Two tables of which some rows are bad, and the recipe that loads them.

use etl_tests::bed::Bed;

/// Line 3 is ragged, line 4 has no number, line 5 a NUL character; a byte of line 6 is no UTF-8.
pub(crate) const PEOPLE: &[u8] = b"id,name\n1,Ada\n2,Bob,more\nx,Cleo\n4,D\0ora\n5,\xff\n6,Fay\n7\n";

/// Line 2 has a text that is no number.
pub(crate) const PETS: &str = "pet,owner\nnone,1\n11,6\n";

/// A database with both tables, the files, and a recipe; `more` are lines of it.
pub(crate) async fn bed(database: &str, more: &str) -> Bed {
    let bed = Bed::new(database).await;
    bed.sql("CREATE TABLE people (id int PRIMARY KEY, name text); CREATE TABLE pets (pet int, owner int)")
        .await;
    bed.folder.write("people.csv", PEOPLE);
    bed.folder.write("pets.csv", PETS);
    recipe(&bed, more);
    bed
}

/// Writes the recipe.
pub(crate) fn recipe(bed: &Bed, more: &str) {
    bed.recipe(&format!(
        "[run]\nstreams = 2\nmax_rejects = 100\n{more}\n\
         [[tables]]\nfrom = \"people.csv\"\ninto = \"public.people\"\ntypes = {{ id = \"int32\" }}\n\
         [[tables]]\nfrom = \"pets.csv\"\ninto = \"public.pets\"\ntypes = {{ pet = \"int32\", owner = \"int32\" }}\n"
    ));
}
