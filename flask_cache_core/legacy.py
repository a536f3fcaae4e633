"""What is kept only for Flask-Cache and Flask-Caching: spellings and signatures."""
