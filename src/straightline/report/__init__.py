"""The answer as a page: `content` is what there is to say, `figures` its pictures, `render` HTML and Markdown of it."""
