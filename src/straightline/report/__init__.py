"""The report: `content` collects its values, `figures` draws its pictures, `render` writes HTML and Markdown."""
