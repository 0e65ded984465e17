//! A plain table: a header in capitals, columns two blanks apart, no lines, nothing cut off. Easy to read, and to take apart with `awk`.

use comfy_table::{ContentArrangement, Table, TableStyle};

/// Text that others chose, such as the name of a file: a terminal gets no control characters from it.
pub(super) fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// The table's lines, without blanks at their ends. Cells are text without any style: control characters in them are replaced.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Vec<String> {
    lines(header.into_iter().map(str::to_owned), rows)
}

fn lines<R: IntoIterator<Item = String>>(header: impl Iterator<Item = String>, rows: impl IntoIterator<Item = R>) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(TableStyle::default()).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for row in rows {
        table.add_row(row.into_iter().map(|cell| plain(&cell)));
    }
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// A column of a table: its header, and what stands in it.
pub type Column<T> = (&'static str, fn(&T) -> String);

/// The same, column by column, for tables in which not always all columns are shown.
pub fn table_of<T>(columns: &[Column<T>], rows: &[T]) -> Vec<String> {
    lines(columns.iter().map(|(header, _)| (*header).to_owned()), rows.iter().map(|row| columns.iter().map(move |(_, cell)| cell(row))))
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_stand_two_blanks_apart() {
        let lines = super::table(["A", "LONG"], [["x".into(), String::new()], ["yyy".into(), "z".into()]]);
        assert_eq!(lines, ["A    LONG", "x", "yyy  z"]);
        let columns: [super::Column<u8>; 2] = [("N", |n| n.to_string()), ("TWICE", |n| (2 * n).to_string())];
        assert_eq!(super::table_of(&columns, &[7, 10]), ["N   TWICE", "7   14", "10  20"]);
        assert_eq!(super::table_of(&columns[1..], &[7]), ["TWICE", "14"]);
    }

    #[test]
    fn a_cell_cannot_command_a_terminal_nor_begin_a_line() {
        assert_eq!(super::table(["A"], [["x\u{1b}[2J\ny".into()]]), ["A", "x\u{fffd}[2J\u{fffd}y"]);
    }
}
