from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("demo_project", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Reading",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("station", models.CharField(max_length=20)),
                ("at", models.DateTimeField()),
                ("celsius", models.FloatField()),
            ],
            options={
                "ordering": ["id"],
            },
        ),
    ]
